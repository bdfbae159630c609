/** One connection to a receiver: hello, frames, answers (src/move/PROTOCOL.md). */
import { parseDocument } from '../../base/documents/document.js';
import type { MoveCommitted } from '../../base/documents/generated/move-committed.js';
import type { MoveFail } from '../../base/documents/generated/move-fail.js';
import type { MoveWelcome } from '../../base/documents/generated/move-welcome.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Carrier, EngineName, EngineReport, Sender, SenderPatience } from '../../base/host/host.js';
import { toPrintable } from '../../base/text/printable.js';
import { type Context, whenMoving } from '../context.js';
import { openTables } from './tables.js';
import type { Target } from './target.js';

export type Purpose = 'round' | 'dump' | 'images';

const frame = { hello: 1, commit: 8, file: 9, seal: 12, welcome: 65, committed: 68, sealed: 69 } as const;

/**
 * How long the carrier may take to end by itself after the last answer: it may still have to close a
 * connection of its own.
 */
const goodbyeMs = 2000;
/** A list in JSON is sent in parts of at most so many bytes, because the length of a frame is limited. */
const mostBytes = 900_000;

/** The connection is gone, and another one may work. */
export class Lost extends Error {}

export class Connection {
  /** How many calls of sendGhost there were so far. The next call has this number. */
  sent = 0;

  private constructor(
    private readonly context: Context,
    private readonly target: Target,
    private readonly carrier: Carrier,
    private readonly sender: Sender,
    /** The receiver's id. */
    readonly receiver: string,
  ) {}

  /**
   * Starts the carrier and greets the receiver.
   * @throws Lost; MOVE_LOST if the carrier cannot be started; MOVE_REFUSED if the receiver refuses the
   * connection
   */
  static async open(
    context: Context,
    target: Target,
    purpose: Purpose,
    patience: SenderPatience,
  ): Promise<Connection> {
    const { sending } = context.host;
    let carrier: Carrier;
    try {
      carrier = sending.start(target.words, target.environment);
    } catch (error) {
      throw new GhostkeepError('MOVE_LOST', target.shown, `cannot reach ${target.shown}: ${reasonOf(error)}`);
    }
    let sender: Sender | undefined;
    try {
      sender = await sending.open(carrier, patience);
      const hello = encode({ purpose, build: context.tool });
      await sending.say(sender, frame.hello, hello, frame.welcome);
      const { receiver } = parse<MoveWelcome>('MoveWelcome', await sending.answer(sender), target);
      if (purpose !== 'images') useTables(context, sender, receiver);
      return new Connection(context, target, carrier, sender, receiver);
    } catch (error) {
      const why = sender === undefined ? error : explain(context, target, sender, error);
      if (sender !== undefined) sending.close(sender);
      const status = await sending.end(carrier, 0);
      if (!(why instanceof Lost) && errnoOf(why) === undefined) throw why;
      const ended = status === 0 || status >= 128 ? '' : `; its carrier ended with status ${status}`;
      const text = `cannot reach ${target.shown}: ${toPrintable(reasonOf(why))}${ended}`;
      if (errnoOf(why) !== 'EPROTO') throw new Lost(text);
      throw new GhostkeepError('MOVE_REFUSED', target.shown, text);
    }
  }

  /** @throws Lost, MOVE_REFUSED, an errno error of the ghost */
  async sendGhost(fd: number, size: bigint, key: string, engine: EngineName): Promise<EngineReport> {
    this.sent += 1;
    return this.#explained(sending =>
      sending.ghost(this.sender, { fd, size, key, engine }, whenMoving(this.context)),
    );
  }

  /**
   * Tells the receiver that all of KEYS were sent. If the returned list is empty, the receiver has all of
   * them on its disk.
   * @returns the numbers of the calls of sendGhost that have to be made again, before another commit
   */
  async commit(keys: readonly string[], isRound: boolean, dump: string): Promise<number[]> {
    const bytes = await this.#ask(
      frame.commit,
      'keys',
      keys,
      frame.committed,
      isRound ? { round: true } : { dump },
    );
    const { needs } = parse<MoveCommitted>('MoveCommitted', bytes, this.target);
    if (needs === 0) return [];
    const needed = this.context.host.sending.needed(this.sender);
    if (needed.length === 0) throw new Lost('the receiver needs blocks, and has not said which');
    return needed;
  }

  /** @param file `size` bytes are read from FD */
  async sendFile(file: { name: string; size: number; mode: number }, fd: number): Promise<void> {
    await this.#explained(async sending => {
      await sending.say(this.sender, frame.file, encode(file));
      await sending.file(this.sender, fd, BigInt(file.size), whenMoving(this.context));
    });
  }

  /** @param gone keys of ghosts that were committed, and that the checkpoint does not need */
  async seal(ghosts: readonly object[], gone: readonly string[], dump: string | undefined): Promise<void> {
    await this.#explained(async sending => {
      for (const { part } of gone.length > 0 ? inParts(gone) : [])
        await sending.say(this.sender, frame.seal, encode({ ghosts: [], gone: part, more: true }), 0);
    });
    await this.#ask(frame.seal, 'ghosts', ghosts, frame.sealed, dump === undefined ? {} : { dump });
  }

  /**
   * From now on the receiver may take STALL_MS for each step; with 0, it may take any time as long as it is
   * alive.
   */
  waitForSteps(stallMs: number): void {
    this.context.host.sending.waitForSteps(this.sender, stallMs);
  }

  /**
   * @param graceful the receiver has answered to everything, so its carrier may end by itself
   * @returns how many bytes were acknowledged
   */
  async close({ graceful }: { graceful: boolean }): Promise<bigint> {
    const { sending } = this.context.host;
    const acknowledged = sending.close(this.sender);
    await sending.end(this.carrier, graceful ? goodbyeMs : 0);
    return acknowledged;
  }

  /**
   * Sends LIST in parts and returns the answer of the type AWAITED.
   * @param more fields of the last part
   */
  async #ask(
    type: number,
    name: string,
    list: readonly unknown[],
    awaited: number,
    more: object = {},
  ): Promise<Buffer> {
    return this.#explained(async sending => {
      for (const { part, isLast } of inParts(list)) {
        const payload = encode(isLast ? { [name]: part, ...more } : { [name]: part, more: true });
        await sending.say(this.sender, type, payload, isLast ? awaited : 0);
      }
      return sending.answer(this.sender);
    });
  }

  async #explained<T>(work: (sending: Context['host']['sending']) => Promise<T>): Promise<T> {
    try {
      return await work(this.context.host.sending);
    } catch (error) {
      throw explain(this.context, this.target, this.sender, error);
    }
  }
}

function useTables(context: Context, sender: Sender, receiver: string): void {
  const folder = openTables(context, receiver);
  try {
    context.host.sending.useTables(sender, folder);
  } finally {
    context.host.files.close(folder);
  }
}

/** Errors that say that the other side, or what lies between, is gone or cannot be trusted any more. */
const lost = new Set(['EPIPE', 'ECONNRESET', 'ETIMEDOUT', 'EBADMSG']);

/** Codes with which a receiver says that bytes were changed or lost on the way. */
const onTheWay = new Set(['MOVE_STREAM', 'MOVE_INTERRUPTED']);

function explain(context: Context, target: Target, sender: Sender, error: unknown): unknown {
  const errno = errnoOf(error) ?? '';
  if (lost.has(errno)) return new Lost(reasonOf(error));
  if (errno !== 'ECONNREFUSED') return error;
  const payload = context.host.sending.failure(sender);
  if (!payload) return new Lost(reasonOf(error));
  try {
    const { code, message, subject } = parse<MoveFail>('MoveFail', payload, target);
    if (onTheWay.has(code)) return new Lost(`${toPrintable(message)} [${code}]`);
    return new GhostkeepError(
      'MOVE_REFUSED',
      toPrintable(subject),
      `${target.shown} has given up: ${toPrintable(message)} [${code}]`,
      { cause: code },
    );
  } catch (fault) {
    return fault;
  }
}

function encode(document: object): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function parse<T>(kind: Parameters<typeof parseDocument>[0], bytes: Buffer, { shown }: Target): T {
  return parseDocument<T>(kind, bytes.toString('utf8'), `the answer of ${shown}`, 'MOVE_REFUSED');
}

function* inParts(list: readonly unknown[]): Generator<{ part: unknown[]; isLast: boolean }> {
  let [part, bytes] = [[] as unknown[], 0];
  for (const item of list) {
    const more = JSON.stringify(item).length + 1;
    if (part.length > 0 && bytes + more > mostBytes) {
      yield { part, isLast: false };
      [part, bytes] = [[], 0];
    }
    part.push(item);
    bytes += more;
  }
  yield { part, isLast: true };
}
