/** One line of /proc/PID/mountinfo. Source: proc_pid_mountinfo(5). */
export interface Mount {
  id: number;
  /** Id of the mount it lies on; of the first of a namespace, itself or one that is not listed. */
  parent: number;
  /** The mount's own device, as makedev would give it: on btrfs not the one stat shows. */
  dev: bigint;
  /** The folder or file of its file system that lies at the mount point. */
  root?: Buffer;
  /** That folder or file has been removed, or replaced by another of its name. */
  rootGone?: boolean;
  mountPoint: Buffer;
  filesystem: string;
  readOnly: boolean;
  /** Of overlay: the folder that takes what is written, as who mounted it saw it. */
  upper?: Buffer;
  /** Of overlay: its options, for whoever wants to know all its layers. */
  layerOptions?: string;
  /** Of aufs: the folders it is a union of. */
  branches?: readonly Buffer[];
}
