/**
 * File systems whose attributes are this kernel's own. All others may have to ask a server, which may be
 * dead, and may remember a link count that is not true any more. One that is missing here is asked, with a
 * deadline.
 */
const local = new Set(
  [
    'ext2 ext3 ext4 xfs btrfs f2fs zfs bcachefs jfs reiserfs nilfs2 ubifs minix hfsplus vfat msdos exfat ntfs3',
    'squashfs erofs cramfs iso9660 udf tmpfs ramfs rootfs devtmpfs hugetlbfs overlay aufs',
    'proc sysfs cgroup cgroup2 devpts mqueue debugfs tracefs securityfs pstore bpf configfs fusectl efivarfs',
    'binfmt_misc nsfs',
  ].flatMap(names => names.split(' ')),
);

/** @param type as mountinfo has it */
export function isLocalFilesystem(type: string): boolean {
  return local.has(type);
}
