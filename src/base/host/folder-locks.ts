/** Locks on folders, so that only one process at a time writes there. */
export interface FolderLocks {
  /**
   * Lock FOLDER until FD is closed or this process ends, in whatever way. Others who ask for this lock do not
   * get it. PATH leads to that folder even if its name changes.
   * @returns undefined where another process has the lock. @throws an errno error where the folder cannot be
   * locked at all
   */
  lock(folder: string): { fd: number; path: string } | undefined;
  /**
   * The process that has locked FOLDER: one of FAMILY, else the process that made the lock. Undefined where
   * the system does not tell.
   */
  lockHolder(folder: string, family: readonly number[]): number | undefined;
}
