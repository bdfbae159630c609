import { reasonOf } from '../base/errors.js';
import type { FileStat, Files } from '../base/host.js';
import { isSameInode } from '../base/identity.js';
import type { Log } from '../base/log.js';
import { folder } from '../image/layout.js';

/** An image of what a ghost was a moment ago. */
interface WarmImage {
  /** Name in the image directory. */
  image: string;
  stat: FileStat;
}

/**
 * What the warm pass has left for the dump. Only names are kept: whatever lies there when it is taken, and by whomever it
 * was made, is compared with the ghost.
 */
export class WarmImages {
  #images: WarmImage[] = [];

  constructor(
    private readonly files: Files,
    private readonly images: string,
    private readonly log: Log,
  ) {}

  get names(): string[] {
    return this.#images.map(({ image }) => image);
  }

  add(image: string, stat: FileStat): void {
    this.#images.push({ image, stat });
  }

  /**
   * Rename the image of this ghost to NAME and open it.
   * @returns its descriptor, undefined where there is none to be had
   */
  take(stat: FileStat, name: string): number | undefined {
    const warm = this.#images.find(one => isSameInode(one.stat, stat));
    if (!warm) return undefined;
    this.#images = this.#images.filter(one => one !== warm);
    const path = `${this.images}/${name}`;
    try {
      this.files.rename(`${this.images}/${warm.image}`, path);
      return this.files.open(path, true);
    } catch (error) {
      this.log.info(`the image from before the freeze is of no use: ${reasonOf(error)}`);
      this.#remove(warm.image);
      return undefined;
    }
  }

  /** Remove those that no ghost of STATS will take: they may hold the room that others need. */
  keepFor(stats: readonly FileStat[]): void {
    const isWanted = (warm: WarmImage) => stats.some(stat => isSameInode(warm.stat, stat));
    for (const warm of this.#images) if (!isWanted(warm)) this.#remove(warm.image);
    this.#images = this.#images.filter(isWanted);
  }

  /** Remove whatever nobody took, and the folder if nothing else is in it. */
  discard(): void {
    this.keepFor([]);
    const ours = `${this.images}/${folder}`;
    try {
      if (this.files.exists(ours) && this.files.list(ours).length === 0) this.files.removeTree(ours);
    } catch (error) {
      this.log.info(`cannot remove ${ours}: ${reasonOf(error)}`);
    }
  }

  /** It is of no use to anybody: not being able to is no reason to fail. */
  #remove(image: string): void {
    try {
      this.files.remove(`${this.images}/${image}`);
    } catch (error) {
      this.log.info(`cannot remove ${image}: ${reasonOf(error)}`);
    }
  }
}
