import { GhostkeepError, translate } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';

const othersWrite = 0o022;

/**
 * Opens the folder that files are restored or recovered to, and makes it if it does not exist. If others
 * could write to it, they could replace such a file. The caller closes the descriptor, and makes files only
 * through it.
 * @param verb what the user asked for, for messages
 * @throws PERMISSION
 */
export function openTarget({ files, uid }: Host, to: string, verb: 'restore' | 'recover'): number {
  let fd: number;
  try {
    fd = files.openFolder(to);
  } catch (error) {
    throw translate(error, 'IO', to, `cannot ${verb} to ${to}`);
  }
  const { uid: owner, mode } = files.stat(fd);
  const isTrustedOwner = owner === uid() || owner === 0;
  if (isTrustedOwner && (mode & othersWrite) === 0) return fd;
  files.close(fd);
  const reason = isTrustedOwner ? 'others than its owner may write to it' : 'it belongs to somebody else';
  throw new GhostkeepError(
    'PERMISSION',
    to,
    `cannot ${verb} to ${to}: ${reason}; name a folder that is not there yet, or keep others out of this one`,
  );
}
