/**
 * Receives CRIU's own image files from the sending host. A file gets its name in the working folder only when
 * all of its bytes are on the disk.
 */
import { GhostkeepError } from '../../base/errors.js';
import { arrivedFolder, incomingName } from '../../image/layout.js';
import { streamError } from '../../move/frames.js';
import type { Context } from '../context.js';
import type { Room } from './room.js';

const ackEveryBytes = 16n << 20n;
/**
 * Nothing that arrives can be executed, or gives rights, and only its owner may write to it, whatever the
 * sender and our umask allow.
 */
const mostMode = 0o644;

interface Incoming {
  name: string;
  mode: number;
  fd: number;
}

export class Arrivals {
  #incoming: Incoming | undefined;
  #unsynced = 0n;
  #isFolderDirty = false;

  constructor(
    private readonly context: Context,
    private readonly images: string,
    private readonly room: Room,
  ) {}

  get isAckDue(): boolean {
    return this.#unsynced >= ackEveryBytes;
  }

  /** @throws BAD_INPUT where the directory has a file of this name */
  begin(name: string, mode: number): void {
    const { files } = this.context.host;
    assertFree(this.context, this.images, name);
    files.makeDirectory(`${this.images}/${arrivedFolder}`);
    files.remove(`${this.images}/${incomingName}`);
    this.#incoming = { name, mode, fd: files.create(`${this.images}/${incomingName}`) };
  }

  write(offset: bigint, bytes: Buffer): void {
    this.room.take(BigInt(bytes.length));
    this.context.host.moving.store.put(this.#open().fd, offset, bytes);
    this.#unsynced += BigInt(bytes.length);
  }

  /** @throws MOVE_STREAM where the file is not what was sent */
  end(digest: Buffer): void {
    const { files, moving } = this.context.host;
    const { name, mode, fd } = this.#open();
    if (!moving.store.fileDigest(fd).equals(digest))
      throw streamError(`${name} has other bytes than were sent`);
    files.setNewMode(fd, mode & mostMode);
    moving.store.sync(fd);
    this.close();
    files.rename(`${this.images}/${incomingName}`, `${this.images}/${arrivedFolder}/${name}`);
    this.#isFolderDirty = true;
  }

  flush(): void {
    if (this.#incoming) this.context.host.moving.store.sync(this.#incoming.fd);
    if (this.#isFolderDirty) this.context.host.files.syncFolder(`${this.images}/${arrivedFolder}`);
    this.#isFolderDirty = false;
    this.#unsynced = 0n;
  }

  close(): void {
    if (this.#incoming) this.context.host.files.close(this.#incoming.fd);
    this.#incoming = undefined;
  }

  #open(): Incoming {
    if (this.#incoming) return this.#incoming;
    throw new Error('no file is open');
  }
}

/**
 * Asserts that the directory has no file of this name, because no file there is ever written over. @throws
 * BAD_INPUT
 */
export function assertFree({ host: { files } }: Context, images: string, name: string): void {
  if (!files.exists(`${images}/${name}`)) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot receive ${name}: ${where} has a file of this name already; move it elsewhere, then send again`,
  );
}
