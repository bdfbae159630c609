import type { FileStat, Files } from '../base/host.js';
import { isSameInode } from '../base/identity.js';

/** An image of what a ghost was a moment ago, open for writing. */
export interface WarmImage {
  fd: number;
  /** Name in the image directory. */
  image: string;
  stat: FileStat;
}

/** What the warm pass has left for the dump. */
export class WarmImages {
  readonly #images: WarmImage[] = [];

  constructor(
    private readonly files: Files,
    private readonly images: string,
  ) {}

  get names(): string[] {
    return this.#images.map(({ image }) => image);
  }

  add(image: WarmImage): void {
    this.#images.push(image);
  }

  /** The one of this ghost, which is the caller's from now on. */
  take(stat: FileStat): WarmImage | undefined {
    const at = this.#images.findIndex(warm => isSameInode(warm.stat, stat));
    return at < 0 ? undefined : this.#images.splice(at, 1)[0];
  }

  /** Whatever nobody took: its ghost is gone, or is none any more. */
  discard(): void {
    for (const { fd, image } of this.#images.splice(0)) {
      this.files.close(fd);
      this.files.remove(`${this.images}/${image}`);
    }
  }
}
