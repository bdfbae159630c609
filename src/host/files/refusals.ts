/**
 * Errors by which shares (9p, vboxsf, FUSE, object stores) say that they do not support a call, as opposed to
 * failing at it.
 */
const noSuchCall = ['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];
/** A user who is not root also gets EPERM; CRIU's files then belong to somebody else. */
export const noOwners = new Set(['EPERM', 'EACCES', ...noSuchCall]);
export const noFsync = new Set(noSuchCall);

/** A FUSE server answers with these where it has no statfs. */
export const noStatfs = new Set(['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP']);
