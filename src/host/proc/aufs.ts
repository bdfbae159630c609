import fs from 'node:fs';

/**
 * The branches of an aufs mount, a union file system that mainline kernels never had and old Docker hosts
 * still have. Sources: aufs(5), Branch Syntax; Documentation/ABI/testing/sysfs-aufs. Tested on fixtures only;
 * we have not seen a running aufs.
 */

/** `/path=rw`, `/path=ro+wh`: a path may have an equals sign, a permission has none. */
function pathOfBranch(branch: string): Buffer {
  const end = branch.lastIndexOf('=');
  return Buffer.from(end < 0 ? branch : branch.slice(0, end), 'latin1');
}

/**
 * The branches that the mount options list, as `br:/a=rw:/b=ro` or `dirs=…`; undefined where the kernel shows
 * them only in sysfs.
 */
function branchesInOptions(options: string): Buffer[] | undefined {
  const list = /(?:^|,)(?:br:|br=|dirs=)([^,]*)/.exec(options)?.[1];
  return list === undefined ? undefined : list.split(':').filter(Boolean).map(pathOfBranch);
}

/** The mount's name in sysfs: `si=1f2e` is /sys/fs/aufs/si_1f2e. */
function sysfsFolder(options: string): string | undefined {
  const id = /(?:^|,)si=([0-9a-f]+)(?:,|$)/.exec(options)?.[1];
  return id === undefined ? undefined : `/sys/fs/aufs/si_${id}`;
}

/**
 * @param readLines gives the contents of br0, br1, … in a folder of sysfs, or nothing where it does not exist
 */
export function branchesOf(
  options: string,
  readLines: (folder: string) => string[] = readBranchFiles,
): Buffer[] {
  const listed = branchesInOptions(options);
  if (listed) return listed;
  const folder = sysfsFolder(options);
  return folder === undefined ? [] : readLines(folder).map(line => pathOfBranch(line.replace(/\n$/, '')));
}

function readBranchFiles(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder)
      .filter(name => /^br[0-9]+$/.test(name))
      .map(name => fs.readFileSync(`${folder}/${name}`, 'latin1'));
  } catch {
    return [];
  }
}
