/**
 * How shares (9p, vboxsf, FUSE, object stores) say that they do not do something, as opposed to failing at
 * it.
 */
const noSuchCall = ['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];
/** EPERM is also said to a user who is not root: CRIU's files then belong to somebody else. */
export const noOwners = new Set(['EPERM', 'EACCES', ...noSuchCall]);
export const noFsync = new Set(noSuchCall);

/** A FUSE server's own answer where it has no statfs. */
export const noStatfs = new Set(['ENOSYS', 'EOPNOTSUPP', 'ENOTSUP']);
