/**
 * The mounts of one namespace, and how they hide each other. CRIU refuses open files on a mount that another
 * one covers, but it does not check external files. So we must check before we make a file external. Covered
 * has the meaning here that it has in CRIU's mount.c, mnt_is_overmounted.
 */
import type { Mount } from '../../base/host/host.js';

const slash = 0x2f;

export class MountTree {
  readonly #mounts = new Map<number, Mount>();
  /** Ids of the mounts that lie on the same place of the same mount. */
  readonly #on = new Map<string, number[]>();
  readonly #covered = new Map<number, boolean>();

  /** A mount that is known already is not changed. */
  add(mount: Mount): void {
    if (this.#mounts.has(mount.id)) return;
    this.#mounts.set(mount.id, mount);
    this.#covered.clear();
    if (mount.parent === mount.id) return;
    const place = placeOn(mount.parent, mount.mountPoint);
    const others = this.#on.get(place);
    if (others) others.push(mount.id);
    else this.#on.set(place, [mount.id]);
  }

  get(id: number): Mount | undefined {
    return this.#mounts.get(id);
  }

  /** The type of the file system on this device, wherever it is mounted. */
  filesystemOf(dev: bigint): string | undefined {
    return [...this.#mounts.values()].find(mount => mount.dev === dev)?.filesystem;
  }

  devicesAt(point: Buffer, filesystem: string): Set<bigint> {
    const there = [...this.#mounts.values()].filter(
      mount => mount.filesystem === filesystem && mount.mountPoint.equals(point),
    );
    return new Set(there.map(({ dev }) => dev));
  }

  /** Is the mount's own root hidden, by a later mount on a folder above it or on top of it? */
  isCovered(id: number): boolean {
    let covered = this.#covered.get(id);
    if (covered === undefined) {
      covered = this.#isCovered(id);
      this.#covered.set(id, covered);
    }
    return covered;
  }

  /** Does another mount lie on the folder of PATH, which is on mount ID, or on a folder above it? */
  hidesFolder(id: number, path: Buffer): boolean {
    const mount = this.#mounts.get(id);
    if (!mount) return false;
    return foldersOf(path, mount.mountPoint).some(folder => this.#on.has(placeOn(id, folder)));
  }

  #isCovered(id: number): boolean {
    const seen = new Set<number>();
    let mount = this.#mounts.get(id);
    if (mount && this.#isAnother(id, mount.mountPoint, id)) return true;
    while (mount) {
      // The lines of mountinfo are not read at one instant, so mounts may form a circle, which is no tree.
      // Such a mount counts as covered, so that CRIU keeps its ghosts or refuses them.
      if (seen.has(mount.id)) return true;
      seen.add(mount.id);
      const { id: self, mountPoint } = mount;
      const parent = this.#mounts.get(mount.parent);
      // This is the first mount of all: its parent is itself, or is not in this namespace.
      if (!parent || parent.id === self) return false;
      const places = [mountPoint, ...foldersOf(mountPoint, parent.mountPoint), parent.mountPoint];
      if (places.some(place => this.#isAnother(parent.id, place, self))) return true;
      mount = parent;
    }
    return false;
  }

  #isAnother(parent: number, place: Buffer, self: number): boolean {
    return (this.#on.get(placeOn(parent, place)) ?? []).some(id => id !== self);
  }
}

function placeOn(parent: number, path: Buffer): string {
  return `${parent} ${path.toString('latin1')}`;
}

/** The folders that PATH lies in, below TOP and without TOP itself. */
function foldersOf(path: Buffer, top: Buffer): Buffer[] {
  const folders: Buffer[] = [];
  for (let end = path.lastIndexOf(slash); end > 0; end = path.lastIndexOf(slash, end - 1)) {
    if (end <= top.length) break;
    folders.push(path.subarray(0, end));
  }
  return folders;
}
