/**
 * Facts about file systems that decide about a ghost. A file system is found by the name that mountinfo gives
 * it, or by its statfs type where we ask for that through a process. A file system that is not in this table
 * is unknown, and we assume nothing good of it. Sources: linux/magic.h and the file systems' own sources.
 * native/engine/map/auto.c has the way to read each.
 */

interface FileSystem {
  /**
   * Where content and names are kept: on a disk of this host, in its memory, on a server, or in layers of
   * other file systems. `here` means on this host, where we do not rely on names to stay.
   */
  on: 'disk' | 'memory' | 'server' | 'layers' | 'here';
  /** statfs(2) f_type, for file systems that we ask for it. */
  magics?: readonly bigint[];
  /**
   * The name that a file gets when it is removed while it is open. This name goes with the last descriptor.
   */
  sillyName?: RegExp;
  /** Can a file get a second name? If this is missing, it can. */
  hardLinks?: 'never' | 'perhaps';
}

const disk: FileSystem = { on: 'disk' };
const server: FileSystem = { on: 'server' };
const here: FileSystem = { on: 'here' };
const neverLinks = { hardLinks: 'never' } as const;
const perhapsLinks = { hardLinks: 'perhaps' } as const;

/** fs/nfs/unlink.c, SILLYNAME_LEN: exactly 24 hexadecimal digits. */
const nfs: FileSystem = { on: 'server', magics: [0x6969n], sillyName: /\/\.nfs[0-9a-f]{24}$/i };
/** fs/afs/dir_silly.c, four digits or more; OpenAFS afs_vnop_remove.c, afs_newname(), four at most. */
const afs: FileSystem = {
  on: 'server',
  magics: [0x6b414653n, 0x5346414fn],
  sillyName: /\/\.__afs[0-9a-f]{1,8}$/i,
};
/** fs/smb/client/cifsfs.h, CIFS_SILLYNAME_PREFIX. It depends on the server whether links can be made. */
const smb: FileSystem = {
  on: 'server',
  magics: [0xff534d42n, 0xfe534d42n, 0x517bn],
  sillyName: /\/\.__smbfile_silly[0-9a-f]+$/i,
  ...perhapsLinks,
};
/** statfs(2) f_type of every FUSE server. Source: linux/magic.h */
export const fuseMagic = 0x65735546n;
/**
 * libfuse lib/fuse.c, hidden_name(), and servers that write longer numbers; ntfs-3g.c and lowntfs-3g.c,
 * ghostformat.
 */
const fuse: FileSystem = {
  on: 'server',
  magics: [fuseMagic],
  sillyName: /\/(\.fuse_hidden[0-9a-f]{16,32}|\.ghost-ntfs-3g-[0-9]{20})$/i,
};

const table = new Map<string, FileSystem>([
  ...[
    ...[
      'ext2',
      'ext3',
      'ext4',
      'xfs',
      'btrfs',
      'f2fs',
      'bcachefs',
      'zfs',
      'jfs',
      'nilfs2',
      'reiserfs',
      'ubifs',
    ],
    ...['hfsplus', 'ntfs3', 'minix', 'udf', 'ufs'],
  ].map((name): [string, FileSystem] => [name, disk]),
  ...['vfat', 'msdos', 'exfat', 'hfs', 'hpfs', 'omfs'].map((name): [string, FileSystem] => [
    name,
    { ...disk, ...neverLinks },
  ]),
  ['tmpfs', { on: 'memory', magics: [0x01021994n] }],
  ['ramfs', { on: 'memory', magics: [0x858458f6n] }],
  ['overlay', { on: 'layers' }],
  ...[
    ...['squashfs', 'erofs', 'cramfs', 'iso9660', 'aufs'],
    ...['rootfs', 'devtmpfs', 'hugetlbfs', 'proc', 'sysfs', 'cgroup', 'cgroup2', 'devpts', 'mqueue'],
    ...['debugfs', 'tracefs', 'securityfs', 'pstore', 'bpf', 'configfs', 'fusectl', 'efivarfs'],
    ...['binfmt_misc', 'nsfs'],
  ].map((name): [string, FileSystem] => [name, here]),
  ['nfs', nfs],
  ['nfs4', nfs],
  ['afs', afs],
  ['cifs', smb],
  ['smb3', smb],
  ['smbfs', smb],
  ['9p', { ...server, ...perhapsLinks }],
  ['virtiofs', server],
  ['ceph', server],
  ['coda', server],
  ['lustre', server],
  // OrangeFS registers itself by its former name (fs/orangefs/orangefs-mod.c).
  ['pvfs2', { ...server, ...neverLinks }],
  ['vboxsf', { ...server, ...neverLinks }],
  ['fuse', fuse],
  // FUSE puts the server's name behind a dot. Object stores cannot give a file a second name; these servers
  // say so in their docs.
  ...[
    's3fs',
    'gcsfuse',
    'goofys',
    'mount-s3',
    'rclone',
    'blobfuse',
    'blobfuse2',
    'ossfs',
    'geesefs',
    'exfat',
  ].map((name): [string, FileSystem] => [`fuse.${name}`, { ...fuse, ...perhapsLinks }]),
]);

/** All file systems that give silly names. */
const withSillyNames = [nfs, afs, smb, fuse];

function lookUp(filesystem: string): FileSystem | undefined {
  return table.get(filesystem) ?? (isFuse(filesystem) ? fuse : undefined);
}

/** `fuse`, `fuseblk`, and either with a dot and the server's own name; not fusectl. */
export function isFuse(filesystem: string): boolean {
  return /^fuse(blk)?(\.|$)/.test(filesystem);
}

/**
 * Do names stay when processes and their descriptors are gone, and after a reboot? Only then may content be
 * left out.
 */
export function keepsNames(filesystem: string): boolean {
  return lookUp(filesystem)?.on === 'disk';
}

/**
 * Is it possible that only a server knows the current attributes of a file on this file system? If so, asking
 * may wait for a dead server, and what the kernel remembers may be old. The answer is yes for an unknown file
 * system. It is no for overlayfs, whose attributes come from its layers: ask for each layer (hasLayers).
 */
export function mayHaveServer(filesystem: string): boolean {
  return (lookUp(filesystem) ?? server).on === 'server';
}

export function hasLayers(filesystem: string): boolean {
  return lookUp(filesystem)?.on === 'layers';
}

export function isInMemory(filesystem: string): boolean {
  return lookUp(filesystem)?.on === 'memory';
}

/**
 * Is this the statfs type of a file system in memory? Only there may a missing name be made at restore: a
 * folder on a disk or a server also belongs to others.
 */
export function isMemoryMagic(magic: bigint): boolean {
  return [...table.values()].some(({ on, magics }) => on === 'memory' && magics?.includes(magic));
}

/**
 * May a file with NLINK links have no name at all? Some servers say 1 for every file, and overlayfs still
 * shows the count of a lower layer.
 */
export function mayCountWrongly(filesystem: string, nlink: number): boolean {
  const on = lookUp(filesystem)?.on;
  return on === 'layers' || (on === 'server' && nlink === 1);
}

/** Does PATH look like a silly name? A user may also have named a file like that. */
export function looksSilly(path: Buffer): boolean {
  const text = path.toString('latin1');
  return withSillyNames.some(({ sillyName }) => sillyName?.test(text));
}

/** Is PATH the name of a removed file on a file system of this statfs type? */
export function isSillyName(path: Buffer, magic: bigint): boolean {
  const text = path.toString('latin1');
  return withSillyNames.some(({ magics, sillyName }) => magics?.includes(magic) && sillyName?.test(text));
}

/** Like isSillyName, but the file system is given by its name in mountinfo. */
export function isSillyNameOn(path: Buffer, filesystem: string): boolean {
  return lookUp(filesystem)?.sillyName?.test(path.toString('latin1')) ?? false;
}

/** Can a file get a second name there? CRIU needs a link to make a ghost again. */
export function hardLinks(filesystem: string): 'always' | 'perhaps' | 'never' {
  return lookUp(filesystem)?.hardLinks ?? 'always';
}
