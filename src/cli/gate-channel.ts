import fs from 'node:fs';
import { errnoOf, GhostkeepError } from '../base/errors.js';
import { build } from './version.js';

const socketFd = 3;
const protocolVersion = 4;
const longestLineBytes = 4096;
/** Source: native/gate/PROTOCOL.md, lookup. */
const longestKeyBytes = 4000;
const newline = 0x0a;

/**
 * The helper's end of the gate's socket, line by line (native/gate/PROTOCOL.md). It blocks: while the helper
 * waits for a line it has nothing else to do, and the event loop would take a millisecond more while the
 * container is frozen.
 * @throws USAGE if the descriptor is no socket: only the gate starts a helper
 */
export class GateChannel {
  /** CRIU has ended, so nobody waits for an answer any more. */
  hasHungUp = false;
  readonly #room = Buffer.alloc(longestLineBytes);
  #unread = Buffer.alloc(0);

  constructor() {
    if (isSocket(socketFd)) return;
    throw new GhostkeepError(
      'USAGE',
      'gate',
      `cannot run gate: descriptor ${socketFd} is no socket; the CRIU plugin starts it, not a person`,
    );
  }

  ready(): void {
    this.say(`ready ${protocolVersion} ${build}`);
  }

  /** @returns the gate's next line; undefined if CRIU has finished or is gone */
  next(): string | undefined {
    for (;;) {
      const end = this.#unread.indexOf(newline);
      if (end >= 0) {
        const line = this.#unread.toString('utf8', 0, end);
        this.#unread = this.#unread.subarray(end + 1);
        return line;
      }
      const got = this.#receive();
      if (got === 0) return undefined;
      this.#unread = Buffer.concat([this.#unread, this.#room.subarray(0, got)]);
    }
  }

  /**
   * Sends lines in one write: each write costs a system call and a wakeup of the gate, and there may be keys
   * for 10,000 ghosts.
   */
  say(...lines: (string | readonly string[])[]): void {
    const bytes = Buffer.from(lines.flat().map(toLine).join(''));
    let sent = 0;
    try {
      while (sent < bytes.length) sent += again(() => fs.writeSync(socketFd, bytes, sent));
    } catch (error) {
      // CRIU is gone. next() reports that, and nobody is left to read our answer.
      if (!hungUp.has(errnoOf(error) ?? '')) throw error;
      this.hasHungUp = true;
    }
  }

  /** Closes the socket. The gate waits for this, and not for the end of our process. */
  close(): void {
    fs.closeSync(socketFd);
  }

  /**
   * Asks for the value that CRIU was given with --external KEY:VALUE.
   * @returns '' if it has none; undefined if CRIU does not know the key, or if one line cannot hold it
   * unchanged: with a space for a control character, or cut off, it would be the key of another mount
   */
  lookup(key: string): string | undefined {
    const line = `lookup ${key}`;
    if (Buffer.byteLength(key) > longestKeyBytes || toLine(line) !== `${line}\n`) return undefined;
    this.say(line);
    const answer = this.next();
    if (answer === 'none') return undefined;
    if (answer === 'value') return '';
    if (answer?.startsWith('value ')) return answer.slice('value '.length);
    throw new GhostkeepError(
      'PROTOCOL',
      key,
      `cannot look up ${key}: the gate answered ${JSON.stringify(answer)}`,
    );
  }

  #receive(): number {
    try {
      return again(() => fs.readSync(socketFd, this.#room));
    } catch (error) {
      if (hungUp.has(errnoOf(error) ?? '')) return 0;
      throw error;
    }
  }
}

const hungUp = new Set(['EPIPE', 'ECONNRESET']);

/** A signal may interrupt a call that blocks, and Node does not repeat it. */
function again<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (errnoOf(error) !== 'EINTR') throw error;
    }
  }
}

function isSocket(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

/** Replaces control characters by spaces, and cuts a line that is too long between two characters. */
function toLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: we search for control characters
  const clean = text.replaceAll(/[\x00-\x1f\x7f]/g, ' ');
  const bytes = Buffer.from(clean);
  if (bytes.length < longestLineBytes) return `${clean}\n`;
  return `${bytes.toString('utf8', 0, longestLineBytes - 1).replace(/\ufffd+$/, '')}\n`;
}
