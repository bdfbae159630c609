/**
 * The folder has records of where bases lie, and a mark for each process that watches the room of bases.
 * Every command but `hook`, `gate` and `carry` looks for marks (src/cli/forgotten.ts), so this module loads
 * nothing.
 */
import type { Host } from '../../base/host/host.js';

/** The folder is never in /tmp, where anybody could make a record: a record makes us rename files. */
export const recordsFolder = ({ uid }: Pick<Host, 'uid'>): string =>
  uid() === 0 ? '/run/ghostkeep/bases' : `/run/user/${uid()}/ghostkeep/bases`;

export const isRecordName = (name: string) => name.endsWith('.json');

export const isMarkName = (name: string) => name.startsWith('watch-');
