import fs from 'node:fs';
import { errnoName, errnoOf } from '../../base/errors.js';
import { renameNoReplace } from './libc.js';

/**
 * Answers of file systems without the flag (NFS, some FUSE servers) and of kernels without the call. Source:
 * rename(2).
 */
const withoutFlag = new Set(['EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP']);
/** Answers of file systems without hard links. Source: link(2). */
const withoutLinks = new Set(['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EMLINK']);

/**
 * See Files.renameNew. Where the file system has neither the flag nor hard links, we check first that TO does
 * not exist. That is enough in a folder that nobody else may write to.
 */
export function renameNew(from: string, to: string, atOnce = renameNoReplace, link = fs.linkSync): void {
  const errno = errnoName(atOnce(from, to));
  if (errno === undefined) return;
  if (!withoutFlag.has(errno)) throw failure(errno, from, to);
  try {
    link(from, to);
    fs.unlinkSync(from);
  } catch (error) {
    if (!withoutLinks.has(errnoOf(error) ?? '')) throw error;
    if (fs.lstatSync(to, { throwIfNoEntry: false })) throw failure('EEXIST', from, to);
    fs.renameSync(from, to);
  }
}

function failure(code: string, from: string, to: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: rename '${from}' -> '${to}'`), { code, syscall: 'rename' });
}
