import net from 'node:net';
import readline from 'node:readline';
import { GhostkeepError } from '../base/errors.js';

const socketFd = 3;
const protocolVersion = 2;
const longestLineBytes = 4096;

/** The helper's end of the gate's socket, line by line (native/gate/PROTOCOL.md). */
export class GateChannel {
  readonly #socket = new net.Socket({
    fd: socketFd,
    readable: true,
    writable: true,
    // That our end closes means that we have nothing left to do: not when the gate says so.
    allowHalfOpen: true,
  });
  readonly #lines: AsyncIterator<string>;

  constructor() {
    // CRIU went away: next() ends, and there is nobody to tell.
    this.#socket.on('error', () => {});
    this.#lines = readline.createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  ready(): void {
    this.say(`ready ${protocolVersion}`);
  }

  /** The gate's next line; undefined when CRIU has finished or is gone. */
  async next(): Promise<string | undefined> {
    const { done, value } = await this.#lines.next();
    return done ? undefined : value;
  }

  /** Lines, in one write: each costs a system call and the gate a wakeup, and there may be a key for 10,000 ghosts. */
  say(...lines: string[]): void {
    this.#socket.write(lines.map(toLine).join(''));
  }

  /** The last word: the gate waits for it, and then no longer for this process. */
  close(): void {
    this.#socket.end();
  }

  /** What CRIU was told with --external KEY:VALUE: the value, '' for none, undefined where the key is unknown to it. */
  async lookup(key: string): Promise<string | undefined> {
    this.say(`lookup ${key}`);
    const answer = await this.next();
    if (answer === 'none') return undefined;
    if (answer === 'value') return '';
    if (answer?.startsWith('value ')) return answer.slice('value '.length);
    throw new GhostkeepError(
      'PROTOCOL',
      key,
      `cannot look up ${key}: the gate answered ${JSON.stringify(answer)}`,
    );
  }
}

/** Control characters become spaces, what is too long is cut between characters. */
function toLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const clean = text.replaceAll(/[\x00-\x1f\x7f]/g, ' ');
  const bytes = Buffer.from(clean);
  if (bytes.length < longestLineBytes) return `${clean}\n`;
  return `${bytes.toString('utf8', 0, longestLineBytes - 1).replace(/\ufffd+$/, '')}\n`;
}
