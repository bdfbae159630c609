import { reasonOf } from '../../base/errors.js';
import type { FileStat, Files } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { Log } from '../../base/log.js';
import { folder } from '../../image/layout.js';
import type { Bases } from '../bases/bases.js';
import type { Prepared } from '../prepared/prepared.js';
import { isSmallFile } from './copy-batch.js';

/** The image of a ghost as it was before the freeze. */
interface WarmImage {
  /** Name in the image directory. */
  image: string;
  stat: FileStat;
}

/**
 * Images that the warm pass has left for the dump, and bases that rounds have left. For each we know its name
 * and which ghost it is of, and nothing of its content. Somebody may put another file at that name, but the
 * dump compares every byte of what it finds there with the ghost.
 */
export class WarmImages {
  /** The key is device and inode, so that one is found fast among ten thousand images. */
  readonly #images = new Map<string, WarmImage>();
  /** False as long as nobody has put anything into the working folder for the dump. */
  mayHaveFolder = false;
  /** Entries that the warm pass has prepared, if many ghosts are small. */
  prepared: Prepared | undefined;

  constructor(
    private readonly files: Files,
    private readonly images: string,
    private readonly log: Log,
    readonly bases?: Bases,
  ) {}

  get count(): number {
    return this.#images.size;
  }

  /** False if no ghost can have an image here. */
  get mayHave(): boolean {
    return this.count > 0 || this.bases?.mayHave === true;
  }

  add(image: string, stat: FileStat): void {
    this.#images.set(pairOf(stat), { image, stat });
  }

  /**
   * @returns the name of this ghost's image, which is the caller's from now on; undefined if there is none
   */
  take(stat: FileStat): string | undefined {
    return this.#takeWarm(stat) ?? this.bases?.take(stat)?.image;
  }

  /** Like take, for images of the warm pass, but the image stays here. */
  imageOf(stat: FileStat): string | undefined {
    const warm = this.#images.get(pairOf(stat));
    if (!warm || !isSameInode(warm.stat, stat)) return undefined;
    // The image of a small ghost that has become large is not used: the ghost may share its blocks with a new
    // image, which costs nothing.
    return isSmallFile(warm.stat) && !isSmallFile(stat) ? undefined : warm.image;
  }

  #takeWarm(stat: FileStat): string | undefined {
    const image = this.imageOf(stat);
    if (image !== undefined) this.#images.delete(pairOf(stat));
    return image;
  }

  /** Called when the dump has failed: bases go back to where they were, and the other images are removed. */
  giveBack(): void {
    this.bases?.giveBack();
    this.discard();
  }

  /** Removes the images that nobody took, and the folder if it is then empty. */
  discard(): void {
    for (const { image } of this.#images.values()) this.#remove(image);
    this.#images.clear();
    if (!this.mayHaveFolder && this.bases?.mayHave !== true) return;
    const workFolder = `${this.images}/${folder}`;
    try {
      this.files.removeEmpty(workFolder);
    } catch (error) {
      this.log.info(`cannot remove ${workFolder}: ${reasonOf(error)}`);
    }
  }

  /** Nobody needs the image, so failing to remove it is no error. */
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
