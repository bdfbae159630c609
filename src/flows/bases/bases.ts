import { randomBytes } from 'node:crypto';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { baseName, folder, isBaseName, warmName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { type HeldBase, holdBase, isStillAt, moveBase } from './base-file.js';
import { foldersOfBases } from './base-records.js';
import { intoOldPlace } from './old-place.js';
import { leaveWatcher } from './watch-room.js';

/** A base that a dump has taken over, and where it was before. */
interface Taken {
  base: HeldBase;
  /** The directory and the name that it came from. */
  images: string;
  name: string;
}

export interface HowTaken {
  /** The mode of an image of the dump. */
  mode: number;
  /** Bytes that the policy reserves. They stay free when bases go back. */
  reserve: bigint;
}

/**
 * The bases that one dump into IMAGES may take over. `take` finds the base of a ghost by the ghost's
 * identity, moves the base into IMAGES, and keeps its lock until `letGo`, which is called after the seal.
 */
export class Bases {
  readonly #taken: Taken[] = [];
  readonly #pass = randomBytes(6).toString('hex');
  /**
   * The names of the bases in each directory, read once: there may be thousands of ghosts, most of them
   * without a base.
   */
  readonly #folders: readonly { images: string; names: ReadonlySet<string> }[];

  /** @param folders directories in whose folder `ghostkeep` bases may lie */
  constructor(
    private readonly context: Context,
    private readonly images: string,
    folders: readonly string[],
    private readonly how: HowTaken,
  ) {
    this.#folders = folders
      .filter(one => isOwnFolder(context, one))
      .map(one => ({ images: one, names: new Set(basesIn(context, one)) }))
      .filter(({ names }) => names.size > 0);
  }

  get mayHave(): boolean {
    return this.#folders.length > 0;
  }

  /**
   * Takes over the base of GHOST, if there is one.
   * @param image the name that the base gets in IMAGES; without it the base gets a name of a warm image
   * @returns that name, and when the base was last written
   */
  take(ghost: FileStat, image?: string): { image: string; mtimeNs: bigint } | undefined {
    const name = baseName(ghost);
    for (const { images, names } of this.#folders) {
      if (!names.has(name)) continue;
      const base = holdBase(this.context, images, name);
      const to = base && this.#moveHere(base, images, name, image);
      if (base && to !== undefined) return { image: to, mtimeNs: base.stat.mtimeNs };
    }
    return undefined;
  }

  #moveHere(base: HeldBase, images: string, name: string, asked?: string): string | undefined {
    const { host, log } = this.context;
    const image = asked ?? warmName(this.#pass, this.#taken.length + 1);
    try {
      moveBase(this.context, base, `${this.images}/${image}`);
      host.files.setNewMode(base.fd, this.how.mode);
      this.#taken.push({ base, images, name });
      return image;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      const why =
        errnoOf(error) === 'EXDEV'
          ? 'it lies on another file system than the images, or in another project of a quota'
          : reasonOf(error);
      log.info(`the base ${base.path} is not used: ${why}`);
      host.files.close(base.fd);
      return undefined;
    }
  }

  /**
   * Called when the dump has failed. Its bases go back to where they were, so that the next dump finds them.
   * A base that cannot go back is removed with the other images of the dump. The locks stay, because a thread
   * of the dump may still write into a base.
   */
  giveBack(): void {
    const watched = new Set<string>();
    for (const { base, images, name } of this.#taken)
      try {
        // If a copy over the base has failed, the base was removed, and another image may have its name.
        if (!isStillAt(this.context.host.files, base.path, base.stat)) continue;
        // The process that watched the room where the base was has ended, because no bases were left there.
        if (!watched.has(images)) leaveWatcher(this.context, images, this.how.reserve);
        watched.add(images);
        if (images === this.images) moveBase(this.context, base, `${images}/${name}`);
        else intoOldPlace(this.context, images, () => moveBase(this.context, base, `${images}/${name}`));
      } catch (error) {
        if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
        this.context.log.info(`a base does not go back to ${images}/${name}: ${reasonOf(error)}`);
      }
  }

  /**
   * Closes the bases, which releases their locks. Called when the images are sealed, or of no use any more.
   */
  letGo(): void {
    for (const { base } of this.#taken.splice(0)) this.context.host.files.close(base.fd);
  }
}

/** The names of bases in IMAGES, finished or not, as in `ghostkeep/base-1-2-3.img`. */
export function basesIn({ host: { files } }: Pick<Context, 'host'>, images: string): string[] {
  try {
    const names = files.list(`${images}/${folder}`).map(name => `${folder}/${name}`);
    return names.filter(isBaseName);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return [];
  }
}

/** The bases for a dump of PIDS into IMAGES: those in IMAGES itself, and those that a record leads to. */
export function findBases(context: Context, images: string, pids: readonly number[], how: HowTaken): Bases {
  return new Bases(context, images, [images, ...foldersOfBases(context, images, pids)], how);
}
