/**
 * The folder with records of containers that we have paused. A record names commands that we run later, so
 * the folder is never in /tmp, where anybody could make a record.
 */
export const pausedFolder = (uid: number): string =>
  uid === 0 ? '/run/ghostkeep/paused' : `/run/user/${uid}/ghostkeep/paused`;
