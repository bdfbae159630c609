import { reasonOf } from '../../base/errors.js';
import type { FileStat, Files } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { Log } from '../../base/log.js';
import { folder } from '../../image/layout.js';
import { isSmallFile } from './copy-batch.js';

/** An image of what a ghost was a moment ago. */
interface WarmImage {
  /** Name in the image directory. */
  image: string;
  stat: FileStat;
}

/**
 * What the warm pass has left for the dump. Only names are kept: whatever lies there when it is taken, and by
 * whomever it was made, is compared with the ghost.
 */
export class WarmImages {
  /** By device and number: there may be ten thousand. */
  readonly #images = new Map<string, WarmImage>();

  constructor(
    private readonly files: Files,
    private readonly images: string,
    private readonly log: Log,
  ) {}

  get count(): number {
    return this.#images.size;
  }

  add(image: string, stat: FileStat): void {
    this.#images.set(pairOf(stat), { image, stat });
  }

  /** @returns the name of this ghost's image, from now on the caller's; undefined where there is none */
  take(stat: FileStat): string | undefined {
    const pair = pairOf(stat);
    const warm = this.#images.get(pair);
    if (!warm || !isSameInode(warm.stat, stat)) return undefined;
    // What has grown large since may share its blocks, which costs nothing.
    if (isSmallFile(warm.stat) && !isSmallFile(stat)) return undefined;
    this.#images.delete(pair);
    return warm.image;
  }

  /** Remove whatever nobody took, and the folder if nothing else is in it. */
  discard(): void {
    for (const { image } of this.#images.values()) this.#remove(image);
    this.#images.clear();
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

function pairOf({ dev, ino }: FileStat): string {
  return `${dev}/${ino}`;
}
