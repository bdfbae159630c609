/**
 * Records of containers that we have paused. They name commands to be run, so there is no such folder in
 * /tmp.
 */
export const pausedFolder = (uid: number): string =>
  uid === 0 ? '/run/ghostkeep/paused' : `/run/user/${uid}/ghostkeep/paused`;
