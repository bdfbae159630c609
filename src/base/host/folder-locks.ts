/** Locks on folders, so that only one process at a time writes there. */
export interface FolderLocks {
  /**
   * Keep everybody else who asks out of FOLDER until FD is closed, or this process ends however it ends. PATH
   * is that folder, whatever becomes of its name.
   * @returns undefined where somebody has it. @throws an errno error where it cannot be locked at all
   */
  lock(folder: string): { fd: number; path: string } | undefined;
  /**
   * The process that has FOLDER: one of FAMILY, else the one that made the lock; undefined where the system
   * does not tell.
   */
  lockHolder(folder: string, family: readonly number[]): number | undefined;
}
