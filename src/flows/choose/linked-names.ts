/**
 * If the names of a linked ghost stay, its content is left out of the dump. The manifest says where the names
 * are on this host, so that `verify` can report one that has gone all the same. A restore does not check:
 * CRIU opens the names and reports a missing one itself.
 */
import type { LinkedName, LinkedNames, Manifest } from '../../base/documents/generated/manifest.js';
import type { Damage } from '../../base/documents/generated/verification.js';
import { errnoOf } from '../../base/errors.js';
import { keepsNames } from '../../base/filesystems.js';
import { isRegular } from '../../base/host/file-type.js';
import type { FileStat, Host, Mount } from '../../base/host/host.js';
import { birthOf } from '../../base/host/identity.js';
import { pathFromText, pathToText } from '../../base/text/path-bytes.js';
import { countFromJson, countToJson, showTime } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import { findOnHost } from '../../ghost/mounts/on-host.js';

/** @param ghosts those whose content is left out */
export function findLinkedNames(
  { processes, machine }: Host,
  ghosts: readonly Ghost[],
): LinkedNames | undefined {
  if (ghosts.length === 0) return undefined;
  const hostMounts = processes.mounts(processes.self());
  const files = ghosts.flatMap(({ stat, mounts }) => {
    const birth = birthOf(stat);
    return mounts.flatMap((where): LinkedName[] => {
      const found = where.names?.[0] && findOnHost(hostMounts, where, where.names[0]);
      if (!found) return [];
      const { mount, name } = found;
      return [
        {
          mountPoint: pathToText(mount.mountPoint),
          filesystem: mount.filesystem,
          name: pathToText(name),
          ino: countToJson(stat.ino),
          ...(birth === undefined ? {} : { birth: showTime(birth) }),
        },
      ];
    });
  });
  return files.length > 0 ? { host: machine(), files } : undefined;
}

/**
 * Checks only names that can be judged: on the host of the dump, on a mount that is there and not covered by
 * another one.
 */
export function verifyLinkedNames({ processes, files, machine }: Host, { linkedNames }: Manifest): Damage[] {
  if (!linkedNames || linkedNames.host !== machine()) return [];
  const hostMounts = processes.mounts(processes.self());
  return linkedNames.files.flatMap(file => {
    const mountPoint = pathFromText(file.mountPoint);
    const mount = hostMounts.find(
      each => each.mountPoint.equals(mountPoint) && each.filesystem === file.filesystem,
    );
    const name = pathFromText(file.name);
    const wrong = mount && keepsNames(mount.filesystem) && whatIsWrong(files, mount, name, file);
    if (!wrong) return [];
    const path = showPath(file);
    return [
      {
        code: 'NAME_GONE' as const,
        subject: path,
        message: `${path} ${wrong}: it was a name of a file whose content is not in the image; bring it back before a restore`,
      },
    ];
  });
}

function whatIsWrong(
  files: Host['files'],
  mount: Mount,
  name: Buffer,
  wanted: LinkedName,
): string | undefined {
  try {
    const found = files.statOn(mount, name);
    if (!found) return 'is gone';
    return isFileOf(found, wanted) ? undefined : 'is another file by now';
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Inode numbers are soon used again; then only the time of birth shows that it is another file. */
function isFileOf(stat: FileStat, { ino, birth }: LinkedName): boolean {
  const born = birthOf(stat);
  return (
    isRegular(stat.mode) &&
    stat.ino === countFromJson(ino) &&
    (birth === undefined || born === undefined || showTime(born) === birth)
  );
}

function showPath({ mountPoint, name }: LinkedName): string {
  if (name.path === '') return mountPoint.path;
  return `${mountPoint.path === '/' ? '' : mountPoint.path}/${name.path}`;
}
