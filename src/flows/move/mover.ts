/**
 * Sends ghosts, and begins again over a new connection when one breaks. Blocks that the receiver has
 * acknowledged are then sent as `same`, so only what was on the way is sent twice.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import type { EngineName, EngineReport } from '../../base/host/host.js';
import type { Context } from '../context.js';
import { Connection, Lost, type Purpose } from './connection.js';
import type { Target } from './target.js';

/** A receiver that was silent for so long is taken for dead. It gives a sign of life each second. */
export const patienceMs = 30_000;
const [firstPauseMs, longestPauseMs] = [100, 2000];
/**
 * After so many losses the mover gives up, because somebody has to notice a network that breaks again and
 * again.
 */
const mostLosses = 100;
const mostRepairs = 5;
const signOfLifeMs = 500;

/** @param key as `identityOf` gives it */
export type SendGhost = (fd: number, size: bigint, key: string, engine: EngineName) => Promise<EngineReport>;

export interface Patience {
  /** How long to try to connect again after a loss. */
  resumeMs: number;
  /** How long a receiver may be silent. */
  patienceMs: number;
  /**
   * True if processes may be frozen. Then a receiver that is alive also has only RESUME_MS for each step, or
   * for a step of the seal a time that grows with the bytes. A connection over which nothing is acknowledged
   * does not lengthen the time for connecting again.
   */
  isUrgent?: boolean;
}

/** A receiver that copies and digests more slowly than 16 MiB a second is taken for one that hangs. */
const leastBytesPerMs = 16_384n;
const longestStepMs = 24 * 3600 * 1000;

export class Mover {
  #connection: Connection | undefined;
  #losses = 0;
  /**
   * When to stop connecting again; undefined until a connection is lost. If processes may be frozen, only a
   * connection over which something was acknowledged resets it.
   */
  #until: number | undefined;

  constructor(
    private readonly context: Context,
    readonly target: Target,
    private purpose: Purpose,
    private readonly patience: Patience,
  ) {}

  /** A random number for this dump. The receiver seals files only with the ghosts of the same dump. */
  readonly dump = randomBytes(16).toString('hex');

  /** The receiver's id. Known after `connect`. */
  receiver = '';

  /** Connects for the first time, before anything is frozen. @throws MOVE_LOST, MOVE_REFUSED */
  async connect(): Promise<void> {
    try {
      await this.#waiting(() => this.#open());
    } catch (error) {
      throw this.#named(error);
    }
  }

  /**
   * Sends COUNT ghosts. All of them are on the receiver's disk when this returns.
   * @param sendOne sends the ghost with this index; it is called again if the ghost's bytes have to be sent
   * again
   * @param keys returns the keys of the ghosts that were sent
   * @param bytes returns how many bytes they have at most, for the progress
   * @throws MOVE_LOST, MOVE_REFUSED, and what SEND_ONE throws
   */
  async sendAll(
    { count, bytes, isRound = false }: { count: number; bytes: () => bigint; isRound?: boolean },
    sendOne: (send: SendGhost, index: number) => Promise<void>,
    keys: () => readonly string[],
  ): Promise<void> {
    try {
      await this.#resumed(async connection => {
        const { progress } = this.context;
        progress?.begin({ what: 'sending', item: 'ghost', items: count, bytes });
        const send: SendGhost = (fd, size, key, engine) => connection.sendGhost(fd, size, key, engine);
        let indices = Array.from({ length: count }, (_, index) => index);
        for (let repairs = 0; ; repairs += 1) {
          const first = connection.sent;
          const sent: number[] = [];
          for (const index of indices) {
            await sendOne(send, index);
            progress?.did();
            while (sent.length < connection.sent - first) sent.push(index);
          }
          const needed = await connection.commit(keys(), isRound, this.dump);
          if (needed.length === 0) return;
          if (repairs === mostRepairs)
            throw new Lost('the receiver asks for the same blocks again and again');
          // The receiver may have asked for blocks of any ghost that was sent since the last commit.
          const again = needed.filter(call => call >= first).map(call => sent[call - first]);
          indices = [...new Set(again.filter(index => index !== undefined))];
          if (indices.length === 0)
            throw new Lost('the receiver needs blocks of a ghost that is not sent now');
        }
      });
    } catch (error) {
      throw this.#named(error);
    }
  }

  /**
   * From now on files are sent. They go over the connection of the dump if there is one, because starting
   * another takes time in which processes may be frozen. If that connection is lost, the next one is for
   * files alone.
   */
  becomeForImages(): void {
    this.purpose = 'images';
  }

  /**
   * Sets how long the receiver may take for each of the next steps, in which it may have to copy and digest
   * BYTES: those of one file, or of everything at the seal. There is no limit if no process can be frozen.
   */
  allowFor(connection: Connection, bytes: bigint): void {
    const { resumeMs, isUrgent } = this.patience;
    connection.waitForSteps(
      isUrgent ? Math.min(resumeMs + Number(bytes / leastBytesPerMs), longestStepMs) : 0,
    );
  }

  /** Does WORK with a connection, and again with the next one where it is lost. */
  async withConnection(work: (connection: Connection) => Promise<void>): Promise<void> {
    try {
      await this.#resumed(work);
    } catch (error) {
      throw this.#named(error);
    }
  }

  /**
   * Ends the connection after the receiver has answered to everything. @returns how many bytes it has
   * acknowledged
   */
  end(): Promise<bigint> {
    return this.#close({ graceful: true });
  }

  /**
   * Ends the connection at once, whatever the receiver has still to say. @returns how many bytes it has
   * acknowledged
   */
  close(): Promise<bigint> {
    return this.#close({ graceful: false });
  }

  async #close(how: { graceful: boolean }): Promise<bigint> {
    const connection = this.#connection;
    this.#connection = undefined;
    return (await connection?.close(how)) ?? 0n;
  }

  async #resumed(work: (connection: Connection) => Promise<void>): Promise<void> {
    this.#until = undefined;
    return this.#waiting(async () => {
      for (;;) {
        const connection = this.#connection ?? (await this.#open());
        try {
          await work(connection);
          return;
        } catch (error) {
          const acknowledged = await this.close();
          if (!(error instanceof Lost)) throw error;
          if (acknowledged > 0n || !this.patience.isUrgent) this.#until = undefined;
          await this.#reconnect(error);
        }
      }
    });
  }

  async #reconnect(loss: Lost): Promise<void> {
    const { clock } = this.context.host;
    this.#until ??= clock() + this.patience.resumeMs;
    const until = this.#until;
    this.#losses += 1;
    this.context.log.warn(`${this.target.shown}: ${reasonOf(loss)}; connecting again`);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      if (this.#losses > mostLosses || clock() >= until) throw loss;
      try {
        await this.#open(until - clock());
        return;
      } catch (error) {
        // IN_USE may pass: the receiver of the lost connection may not know yet that it is lost, and has the
        // directory.
        const mayPass =
          error instanceof Lost || (error instanceof GhostkeepError && error.cause === 'IN_USE');
        if (!mayPass) throw error;
        if (clock() + pauseMs >= until) throw error instanceof Lost ? loss : error;
      }
      await sleep(pauseMs);
    }
  }

  async #open(leftMs = Number.POSITIVE_INFINITY): Promise<Connection> {
    const { context, target, purpose } = this;
    const { patienceMs, resumeMs, isUrgent = false } = this.patience;
    const connection = await Connection.open(context, target, purpose, {
      patienceMs,
      ...(isUrgent ? { openMs: Math.ceil(Math.min(patienceMs, leftMs)) } : {}),
      ...(isUrgent ? { stallMs: resumeMs } : {}),
    });
    this.#connection = connection;
    this.receiver = connection.receiver;
    return connection;
  }

  /**
   * Tells the caller at short intervals that we live, so that a deadline of the caller does not end WORK.
   * Every wait in WORK has a deadline of its own.
   */
  async #waiting<T>(work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.context.alive?.(), signOfLifeMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  #named(error: unknown): unknown {
    if (!(error instanceof Lost)) return error;
    const { shown } = this.target;
    const why = reasonOf(error);
    const message = why.startsWith('cannot reach ') ? why : `cannot send to ${shown}: ${why}`;
    return new GhostkeepError('MOVE_LOST', shown, message);
  }
}
