/**
 * What is known of file systems that decides about a ghost, each by the name that mountinfo gives it and,
 * where a process is asked, by its statfs type. Whatever is not in this table is unknown, and of the unknown
 * nothing is believed. Sources: linux/magic.h and the file systems' own sources; how each is read is
 * native/engine/map/auto.c's.
 */

interface FileSystem {
  /**
   * Where content and names are: on a disk of this host, in its memory, with a server, or in layers of
   * others; `here` is this host, and of the names nothing is believed.
   */
  on: 'disk' | 'memory' | 'server' | 'layers' | 'here';
  /** statfs(2) f_type, where we ask for it. */
  magics?: readonly bigint[];
  /** The name that a file gets when it is removed while it is open. It goes with the last descriptor. */
  sillyName?: RegExp;
  /** Can a file get a second name? It can where this is missing. */
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
/** fs/smb/client/cifsfs.h, CIFS_SILLYNAME_PREFIX. Whether links can be made is the server's to say. */
const smb: FileSystem = {
  on: 'server',
  magics: [0xff534d42n, 0xfe534d42n, 0x517bn],
  sillyName: /\/\.__smbfile_silly[0-9a-f]+$/i,
  ...perhapsLinks,
};
/**
 * libfuse lib/fuse.c, hidden_name(), and others that write longer numbers; ntfs-3g.c and lowntfs-3g.c,
 * ghostformat.
 */
const fuse: FileSystem = {
  on: 'server',
  magics: [0x65735546n],
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
  ['orangefs', { ...server, ...neverLinks }],
  ['vboxsf', { ...server, ...neverLinks }],
  ['fuse', fuse],
  // FUSE names its servers behind a dot. Object stores have no second name for anything; these say so in
  // their docs.
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

/** All that have one. */
const withSillyNames = [nfs, afs, smb, fuse];

function lookUp(filesystem: string): FileSystem | undefined {
  return table.get(filesystem) ?? (isFuse(filesystem) ? fuse : undefined);
}

/** `fuse`, `fuseblk`, and either with a dot and the server's own name; not fusectl. */
export function isFuse(filesystem: string): boolean {
  return /^fuse(blk)?(\.|$)/.test(filesystem);
}

/**
 * Do names stay when processes and their descriptors are gone, also over a reboot? Only then may content be
 * left out.
 */
export function keepsNames(filesystem: string): boolean {
  return lookUp(filesystem)?.on === 'disk';
}

/**
 * May a server be the only one who knows the attributes of a file there? It may be dead, and what the kernel
 * remembers of them may not be true any more. Whatever is unknown may have one. Overlayfs has what its layers
 * have.
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
 * By statfs type: where a missing name may be made at restore. A folder on a disk or a server is also
 * somebody else's.
 */
export function isMemoryMagic(magic: bigint): boolean {
  return [...table.values()].some(({ on, magics }) => on === 'memory' && magics?.includes(magic));
}

/**
 * May NLINK be there without a name? Some servers say 1 whatever they have, and overlayfs goes on showing the
 * count of a lower layer.
 */
export function mayCountWrongly(filesystem: string, nlink: number): boolean {
  const on = lookUp(filesystem)?.on;
  return on === 'layers' || (on === 'server' && nlink === 1);
}

/** May PATH be such a name? A user may have called a file so. */
export function looksSilly(path: Buffer): boolean {
  const text = path.toString('latin1');
  return withSillyNames.some(({ sillyName }) => sillyName?.test(text));
}

/** Is PATH the name of a removed file on a file system of this statfs type? */
export function isSillyName(path: Buffer, magic: bigint): boolean {
  const text = path.toString('latin1');
  return withSillyNames.some(({ magics, sillyName }) => magics?.includes(magic) && sillyName?.test(text));
}

/** As isSillyName, by mountinfo's name of the file system. */
export function isSillyNameOn(path: Buffer, filesystem: string): boolean {
  return lookUp(filesystem)?.sillyName?.test(path.toString('latin1')) ?? false;
}

/** Can a file get a second name there? CRIU makes a ghost again by a link. */
export function hardLinks(filesystem: string): 'always' | 'perhaps' | 'never' {
  return lookUp(filesystem)?.hardLinks ?? 'always';
}
