/** One line of /proc/PID/mountinfo. Source: proc_pid_mountinfo(5). */
export interface Mount {
  id: number;
  /**
   * Id of the mount that this one lies on. For the first mount of a namespace: itself, or a mount that is not
   * listed.
   */
  parent: number;
  /** The mount's own device, as makedev(3) would give it. On btrfs stat shows another one. */
  dev: bigint;
  /** The folder or file of its file system that lies at the mount point. */
  root?: Buffer;
  /** That folder or file has been removed, or replaced by another of the same name. */
  rootGone?: boolean;
  mountPoint: Buffer;
  filesystem: string;
  readOnly: boolean;
  /** Only for overlay: the folder that new data is written to, by the path of the process that mounted it. */
  upper?: Buffer;
  /** Only for overlay: its options, from which all its layers can be parsed. */
  layerOptions?: string;
  /** Only for aufs: the folders that it joins. */
  branches?: readonly Buffer[];
}
