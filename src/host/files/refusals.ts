/**
 * Errors by which shares (9p, vboxsf, FUSE, object stores) say that they do not support a call. After any
 * other error, a supported call has failed.
 */
const noSuchCall = ['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];
/**
 * Errors that mean that owner or mode cannot be set. EPERM also comes where we are not root and the file, one
 * of CRIU's, belongs to somebody else.
 */
export const noOwners = new Set(['EPERM', 'EACCES', ...noSuchCall]);
export const noFsync = new Set(noSuchCall);

/** A FUSE server answers with these where it has no statfs. */
export const noStatfs = new Set(['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP']);
