import net from 'node:net';
import readline from 'node:readline';
import { GhostkeepError } from '../base/errors.js';

const socketFd = 3;
const protocolVersion = 2;
const longestLineBytes = 4096;

/** The helper's end of the gate's socket, line by line (native/gate/PROTOCOL.md). */
export class GateChannel {
  readonly #socket = new net.Socket({ fd: socketFd, readable: true, writable: true });
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

  /** One line: control characters become spaces, what is too long is cut between characters. */
  say(line: string): void {
    const text = [...line]
      .map(character => (character < ' ' || character === '\x7f' ? ' ' : character))
      .join('');
    const bytes = Buffer.from(text).subarray(0, longestLineBytes - 1);
    this.#socket.write(`${bytes.toString('utf8').replace(/\ufffd+$/, '')}\n`);
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
