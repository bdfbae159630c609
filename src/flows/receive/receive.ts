/** Receives ghosts, and CRIU's files, from another host: src/move/PROTOCOL.md. */
import type { Receiver } from '../../base/documents/generated/receiver.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { Link, Patch } from '../../base/host/host.js';
import { arrivedFolder } from '../../image/layout.js';
import { streamError } from '../../move/frames.js';
import type { MoveCommitted, MoveHello, MoveWelcome } from '../../move/messages.js';
import { type Operations, Reader, type Sealing } from '../../move/reader.js';
import type { Context } from '../context.js';
import { becomeOwner, type Owned } from '../directory/owner.js';
import { Arrivals } from './arrivals.js';
import { openReceiver, usedBytes } from './folder.js';
import { Ghosts } from './ghosts.js';
import { interrupted, Peer } from './peer.js';
import { writeReceiver } from './receiver-file.js';
import { Room } from './room.js';
import { sealMoved } from './seal.js';

/**
 * How long to wait for the directory. An earlier receiver, whose sender has gone, may need a moment to notice
 * that.
 */
const ownerWaitMs = 5000;

export interface ReceiveRequest {
  images: string;
  link: Link;
  /** The program's version, for messages of the sender. */
  build: string;
  mostBytes?: bigint | undefined;
}

export interface Received {
  /** Ghosts that were committed, or that the sealed checkpoint has. */
  ghosts: number;
  sealed: boolean;
}

/**
 * Serves one connection to its end.
 * @throws after the sender was told why, if that is still possible. Everything that was acknowledged stays.
 */
export async function receive(context: Context, request: ReceiveRequest): Promise<Received> {
  const peer = new Peer(request.link);
  const receiving = new Receiving(context, request, peer);
  try {
    peer.greet();
    await receiving.run();
    return receiving.result();
  } catch (error) {
    const where = context.host.files.realPath(request.images);
    const known =
      error instanceof GhostkeepError || errnoOf(error) !== undefined
        ? translate(error, 'IO', where, `cannot receive into ${where}`)
        : undefined;
    if (known) peer.fail(known);
    throw known ?? error;
  } finally {
    receiving.close();
  }
}

class Receiving implements Operations {
  #owned: Owned | undefined;
  #receiver: Receiver | undefined;
  #ghosts: Ghosts | undefined;
  #arrivals: Arrivals | undefined;
  #purpose: MoveHello['purpose'] = 'round';
  #handle = 0;
  #needs = 0;
  #hasBegun = false;
  #made: Set<string> | undefined;
  /** The number of the frame that is being taken. */
  #sequence = 0;
  #result: Received | undefined;

  constructor(
    private readonly context: Context,
    private readonly request: ReceiveRequest,
    private readonly peer: Peer,
  ) {}

  async run(): Promise<void> {
    const reader = new Reader(this);
    for (let frame = this.peer.receive(); frame; frame = this.peer.receive()) {
      this.#sequence = frame.sequence;
      await reader.take(frame);
      if (this.#ghosts?.isAckDue || this.#arrivals?.isAckDue) this.#ack();
    }
    if (!reader.isAtRest) throw interrupted('the sender has hung up');
  }

  /** @throws MOVE_INTERRUPTED where the sender has left something open */
  result(): Received {
    if (this.#result) return this.#result;
    throw interrupted('the sender has hung up');
  }

  close(): void {
    this.#ghosts?.close();
    this.#arrivals?.close();
    this.#owned?.letGo();
  }

  async hello({ purpose }: MoveHello): Promise<void> {
    const { images, build, mostBytes } = this.request;
    this.context.host.files.makeDirectory(images);
    this.#owned = await becomeOwner(this.context, images, { waitMs: ownerWaitMs, begins: true });
    const { images: owned } = this.#owned;
    this.#receiver = openReceiver(this.context, owned);
    const room = new Room(usedBytes(this.context, owned), mostBytes);
    this.#purpose = purpose;
    this.#ghosts = new Ghosts(this.context, owned, room);
    this.#arrivals = new Arrivals(this.context, owned, room);
    this.peer.say('welcome', { receiver: this.#receiver.receiver, build } satisfies MoveWelcome);
  }

  ghost({ handle, key, size }: { handle: number; key: string; size: bigint }): void {
    this.#result = undefined;
    if (this.#mayBegin(key)) this.#begin();
    this.#handle = handle;
    this.#open().ghosts.open(key, size);
  }

  data(offset: bigint, bytes: Buffer): void {
    this.#open().ghosts.write(offset, bytes);
  }

  /**
   * Makes a range of zeroes a hole, even if the sender's file had space for it: the manifest says where that
   * was.
   */
  zero(offset: bigint, length: bigint): void {
    this.#open().ghosts.zero(offset, length);
  }

  same(offset: bigint, length: bigint, digest: Buffer): void {
    if (!this.#open().ghosts.isSame(offset, length, digest)) this.#need(offset, length);
  }

  patch(patch: Patch): void {
    if (!this.#open().ghosts.patch(patch)) this.#need(patch.offset, patch.length);
  }

  end(): void {
    this.#open().ghosts.end();
  }

  commit(keys: readonly string[], isRound: boolean, dump?: string): void {
    const { ghosts, images, receiver } = this.#open();
    if (!this.#hasBegun && receiver.complete && receiver.complete.length > 0)
      throw this.#refuse(ghosts, receiver.complete);
    this.#ack();
    const needs = this.#needs;
    this.#needs = 0;
    if (needs === 0) {
      ghosts.keepOnly(new Set(keys));
      if (this.#purpose === 'dump' && !isRound) {
        receiver.complete = [...keys];
        if (dump !== undefined) receiver.dump = dump;
        writeReceiver(this.context.host.files, images, receiver);
      }
      this.#result = { ghosts: keys.length, sealed: false };
    }
    this.peer.say('committed', { needs } satisfies MoveCommitted);
  }

  file({ name, mode }: { name: string; mode: number }): void {
    const { arrivals, images, receiver } = this.#open();
    // The result of an earlier commit does not count any more: a sender that sends files has to end with a
    // seal.
    this.#result = undefined;
    this.#made ??= new Set(receiver.made);
    if (this.#made.has(name))
      throw new GhostkeepError(
        'BAD_INPUT',
        name,
        `cannot receive ${name}: an earlier seal of ${this.context.host.files.realPath(images)} has made it of a ghost that was moved, and it may be the only copy`,
      );
    arrivals.begin(name, mode);
  }

  fileData(offset: bigint, bytes: Buffer): void {
    this.#open().arrivals.write(offset, bytes);
  }

  fileEnd(digest: Buffer): void {
    this.#open().arrivals.end(digest);
  }

  async seal(sealing: Sealing): Promise<void> {
    const { ghosts, arrivals, images, receiver } = this.#open();
    if (receiver.dump !== undefined && receiver.dump !== sealing.dump)
      throw anotherDump(this.context, images);
    arrivals.flush();
    const count = await sealMoved(this.context, images, ghosts, receiver, sealing);
    this.#result = { ghosts: count, sealed: true };
    this.peer.say('sealed', {});
  }

  /**
   * True if a round or dump with the ghost KEY may replace a dump that was committed. That dump may be the
   * only copy, because its container may have ended. But a sender that sends one of its ghosts again is the
   * same container: it runs on after a checkpoint that has failed.
   */
  #mayBegin(key: string): boolean {
    const { complete = [] } = this.#open().receiver;
    return this.#hasBegun || complete.length === 0 || complete.includes(key);
  }

  /**
   * Removes what this sender has sent, and makes the error that refuses it. The dump that was committed
   * before stays.
   */
  #refuse(ghosts: Ghosts, complete: readonly string[]): GhostkeepError {
    ghosts.close();
    ghosts.keepOnly(new Set(complete));
    const where = this.context.host.files.realPath(this.request.images);
    return new GhostkeepError(
      'BAD_INPUT',
      where,
      `cannot receive into ${where}: it has a dump of other ghosts, whose container may have ended, and waits for its other files (\`ghostkeep send-images\` on their source); choose another directory, or remove ${where}/ghostkeep if nobody needs them`,
    );
  }

  /** A round or a dump begins. From now on nothing in the directory counts as a complete dump. */
  #begin(): void {
    const { files } = this.context.host;
    const { images, receiver } = this.#open();
    if (!this.#hasBegun) files.removeTree(`${images}/${arrivedFolder}`);
    if (receiver.complete || receiver.made) {
      delete receiver.complete;
      delete receiver.dump;
      delete receiver.made;
      writeReceiver(files, images, receiver);
    }
    this.#hasBegun = true;
  }

  #need(offset: bigint, length: bigint): void {
    this.#needs += 1;
    this.peer.need(this.#handle, offset, length);
  }

  #ack(): void {
    const { ghosts, arrivals } = this.#open();
    ghosts.flush();
    arrivals.flush();
    this.peer.ack(this.#sequence);
  }

  #open() {
    const [owned, receiver, ghosts, arrivals] = [this.#owned, this.#receiver, this.#ghosts, this.#arrivals];
    if (!owned || !receiver || !ghosts || !arrivals) throw streamError('no frame `hello` has come');
    return { images: owned.images, receiver, ghosts, arrivals };
  }
}

/**
 * The error for files that come from another dump than the ghosts. Together they would be the state of no
 * moment.
 */
function anotherDump({ host: { files } }: Context, images: string): GhostkeepError {
  const where = files.realPath(images);
  return new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot seal ${where}: these files are of another dump than the last that was moved there; send those of the last one`,
  );
}
