/**
 * The folder has records of bases, and marks of processes that watch their room. Every command looks whether
 * there are any.
 */
import type { Host } from '../../base/host/host.js';

/** Never in /tmp, where anybody could make one: a record makes us rename files. */
export const recordsFolder = ({ uid }: Pick<Host, 'uid'>): string =>
  uid() === 0 ? '/run/ghostkeep/bases' : `/run/user/${uid()}/ghostkeep/bases`;

export const isRecordName = (name: string) => name.endsWith('.json');

export const isMarkName = (name: string) => name.startsWith('watch-');
