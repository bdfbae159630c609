/** The sender on the other side of a connection, and what is said to it. */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Frame, Link } from '../../base/host/host.js';
import { toPrintable } from '../../base/text/printable.js';
import {
  encodeAck,
  encodeNeed,
  frameTypes,
  greeting,
  greetingBytes,
  streamError,
} from '../../move/frames.js';
import { encodeMessage, type MoveFail } from '../../move/messages.js';

/** `alive` is sent this often, so that a slow disk is not taken for a dead peer. */
const beatMs = 1000;
/** A side that has received nothing for so long takes the other for dead. */
export const deadMs = 30_000;
const versionAt = greetingBytes - 2;
const longestMessage = 4000;

export class Peer {
  #isLost = false;

  constructor(private readonly link: Link) {}

  /** @throws MOVE_VERSION, after the sender has got our own greeting */
  greet(): void {
    const theirs = this.#lost(() => this.link.greeting());
    // CRIU's page client gets no greeting, because it would take ours for pages.
    this.#isLost = isPageClient(theirs);
    if (!this.#isLost) this.#lost(() => this.link.greet(greeting));
    assertGreeting(theirs);
    this.#lost(() => this.link.beat(beatMs));
  }

  /** Reads the greeting of a stream where nobody waits for an answer of ours. @throws MOVE_VERSION */
  expectGreeting(): void {
    assertGreeting(this.#lost(() => this.link.greeting()));
  }

  /** @returns undefined when the sender has hung up. @throws MOVE_STREAM, MOVE_INTERRUPTED */
  receive(): Frame | undefined {
    return this.#lost(() => this.link.receive());
  }

  say(name: 'welcome' | 'committed' | 'sealed', message: object): void {
    this.#lost(() => this.link.send(frameTypes[name], encodeMessage(message)));
  }

  ack(sequence: number): void {
    this.#lost(() => this.link.send(frameTypes.ack, encodeAck(sequence)));
  }

  need(handle: number, offset: bigint, length: bigint): void {
    this.#lost(() => this.link.send(frameTypes.need, encodeNeed(handle, offset, length)));
  }

  /**
   * Tells the sender why nothing more is received. A failure to tell it is ignored, so that the caller
   * reports the first error.
   */
  fail({ code, subject, message }: GhostkeepError): void {
    if (this.#isLost) return;
    const text: MoveFail = { code, subject: clip(subject), message: clip(message) };
    try {
      this.link.send(frameTypes.fail, encodeMessage(text));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }

  #lost<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno === 'EBADMSG') throw streamError(withoutErrno(error));
      this.#isLost = true;
      const why =
        errno === 'ETIMEDOUT' ? `the sender was silent for ${deadMs / 1000} seconds` : withoutErrno(error);
      throw interrupted(why, error);
    }
  }
}

export function interrupted(why: string, cause?: unknown): GhostkeepError {
  return new GhostkeepError(
    'MOVE_INTERRUPTED',
    'stream',
    `cannot receive the rest: ${why}; what was acknowledged stays, and the sender can connect again`,
    { cause },
  );
}

/** The message without the errno's text: the engine's own words say what these errors mean. */
const withoutErrno = (error: unknown) =>
  reasonOf(error).replace(/: (Bad message|No data available|Connection reset by peer)$/, '');

const clip = (text: string) => text.slice(0, longestMessage);

/** @throws MOVE_VERSION */
function assertGreeting(theirs: Buffer): void {
  if (theirs.equals(greeting)) return;
  const isOther = theirs.subarray(0, versionAt).equals(greeting.subarray(0, versionAt));
  const version = (bytes: Buffer) => toPrintable(bytes.toString('latin1', versionAt, versionAt + 1));
  const why = isPageClient(theirs)
    ? 'this is a CRIU that looks for a page server; run `criu page-server` for its memory, on a port of its own'
    : isOther
      ? `the sender speaks version ${version(theirs)} of the protocol, and this ghostkeep speaks version ${version(greeting)}; install the same version on both hosts`
      : `the other side is no ghostkeep; it began with ${JSON.stringify(toPrintable(theirs.toString('latin1')))}`;
  throw new GhostkeepError('MOVE_VERSION', 'stream', `cannot receive ghosts: ${why}`);
}

/**
 * CRIU's client begins with a command of 32 bits, above whose low 16 bits there are flags.
 * Source: criu/page-xfer.c, PS_IOV_*.
 */
function isPageClient(first: Buffer): boolean {
  const command = first.readUInt32LE(0) & 0xffff;
  return (command >= 1 && command <= 7) || command === 0x1023 || command === 0x1024;
}
