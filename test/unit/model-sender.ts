/**
 * A sender as src/move/PROTOCOL.md wants it: for each block it knows what the receiver has acknowledged. It writes a
 * whole connection at once, because a test cuts it anywhere.
 */
import { blockEntries, contentDigest } from './content-digest.js';
import { type Answer, payloads, Stream } from './move-stream.js';

const block = 16384;
/** A frame has 1 MiB of data at most. */
const mostDataBlocks = 64;
const unknown = Buffer.alloc(32, 0xff);
const zero = Buffer.alloc(32);

interface Range {
  key: string;
  first: number;
  entries: Buffer[];
}

export interface Prepared {
  stream: Stream;
  /** The blocks that each data frame sent, by the number of the frame. */
  sent: Map<number, Range>;
  /** Blocks of each `same`, by handle and offset. */
  compared: Map<string, Range>;
}

export class ModelSender {
  #tables = new Map<string, Buffer[]>();
  readonly #earlier: Map<string, Buffer[]>[] = [];

  constructor(private readonly random: (below: number) => number) {}

  /** A connection that sends all ghosts and commits. */
  prepare(purpose: 'round' | 'dump', ghosts: ReadonlyMap<string, Buffer>): Prepared {
    this.#earlier.push(new Map([...this.#tables].map(([key, table]) => [key, [...table]])));
    const prepared: Prepared = { stream: new Stream().hello(purpose), sent: new Map(), compared: new Map() };
    for (const [key, content] of ghosts) this.#ghost(prepared, key, content);
    prepared.stream.add('commit', payloads.commit([...ghosts.keys()]));
    return prepared;
  }

  /**
   * Notes what the answers say. A test that loses the answers does not call it, and the blocks stay unknown.
   */
  hear({ sent, compared }: Prepared, answers: readonly Answer[]): { committed: boolean } {
    let committed = false;
    for (const { type, payload, message } of answers) {
      if (type === 'ack') {
        const upTo = payload.readUInt32LE(0);
        for (const [number, { key, first, entries }] of sent)
          if (number <= upTo)
            for (const [index, entry] of entries.entries()) this.#table(key)[first + index] = entry;
      } else if (type === 'need') {
        const range = compared.get(`${payload.readUInt32LE(0)} ${payload.readBigUInt64LE(8)}`);
        if (!range) throw new Error('a need for nothing');
        for (const index of range.entries.keys()) this.#table(range.key)[range.first + index] = unknown;
      } else if (type === 'committed') committed = message?.['needs'] === 0;
    }
    return { committed };
  }

  /** As after the loss of a table: the sender knows nothing any more. */
  forget(): void {
    this.#tables.clear();
  }

  /** As after a crash in which the tables lost their last entries: they may say what is not so any more. */
  goBack(): void {
    const earlier = this.#earlier.at(-1 - this.random(3));
    if (earlier) this.#tables = new Map([...earlier].map(([key, table]) => [key, [...table]]));
  }

  #ghost(prepared: Prepared, key: string, content: Buffer): void {
    const { stream } = prepared;
    const [handle, size] = [stream.nextHandle(), BigInt(content.length)];
    const entries = blockEntries(content);
    const table = this.#table(key);
    table.length = Math.min(table.length, entries.length);
    stream.add('ghost', payloads.ghost(handle, size, key));
    for (let first = 0; first < entries.length; ) {
      const kind = kindOf(entries, table, first);
      let count = 1;
      const wanted = 1 + this.random(this.random(8) === 0 ? 100 : 3);
      const most = kind === 'data' ? Math.min(wanted, mostDataBlocks) : wanted;
      while (count < most && first + count < entries.length && kindOf(entries, table, first + count) === kind)
        count += 1;
      const [from, to] = [first * block, Math.min((first + count) * block, content.length)];
      const [offset, length] = [BigInt(from), BigInt(to - from)];
      const range = { key, first, entries: entries.slice(first, first + count) };
      if (kind === 'same') {
        prepared.compared.set(`${handle} ${offset}`, range);
        stream.add(
          'same',
          payloads.same(handle, offset, length, contentDigest(Buffer.concat(range.entries))),
        );
      } else {
        for (let at = first; at < first + count; at += 1) table[at] = unknown;
        const number =
          kind === 'zero'
            ? stream.add(this.random(2) ? 'zero' : 'unwritten', payloads.zero(handle, offset, length))
            : stream.add('data', payloads.data(handle, offset, content.subarray(from, to)));
        prepared.sent.set(number, range);
      }
      first += count;
    }
    stream.add('end', payloads.end(handle, size));
  }

  #table(key: string): Buffer[] {
    const table = this.#tables.get(key) ?? [];
    this.#tables.set(key, table);
    return table;
  }
}

function kindOf(entries: readonly Buffer[], table: readonly Buffer[], at: number): 'same' | 'zero' | 'data' {
  const entry = entries[at] as Buffer;
  const known = table[at];
  if (known?.equals(entry) && !known.equals(unknown)) return 'same';
  return entry.equals(zero) ? 'zero' : 'data';
}
