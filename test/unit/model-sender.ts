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

/** Bytes of a page that may have changed in a block. */
const page = 4096;
/** A patch has this many pages at most. */
const mostPages = 192;

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
        // The frame of a patch that did not fit is acknowledged later, like any other.
        for (const [number, other] of sent) if (other === range) sent.delete(number);
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
      if (kind === 'data' && known(table[first]) && this.random(2)) {
        first += this.#patch(prepared, key, handle, content, first);
        continue;
      }
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

  /**
   * Sends blocks from FIRST on as a patch, up to a block of zeroes. Blocks that differ from what was
   * acknowledged are sent as whole pages, because the model does not know which of them differ. @returns how
   * many blocks
   */
  #patch(prepared: Prepared, key: string, handle: number, content: Buffer, first: number): number {
    const { stream } = prepared;
    const table = this.#table(key);
    const entries = blockEntries(content.subarray(first * block, (first + 1 + this.random(100)) * block));
    const runs: [number, number][] = [];
    const bytes: Buffer[] = [];
    let [count, pages] = [0, 0];
    for (; count < entries.length && !entries[count]?.equals(zero); count += 1) {
      if (kindOf(entries, table.slice(first), count) === 'same') continue;
      const at = (first + count) * block;
      const part = content.subarray(at, at + block);
      const some = Math.ceil(part.length / page);
      if (pages + some > mostPages) break;
      runs.push([(count * block) / page, some]);
      bytes.push(part);
      pages += some;
      table[first + count] = unknown;
    }
    const range = { key, first, entries: entries.slice(0, count) };
    const end = Math.min((first + count) * block, content.length);
    const place = [handle, BigInt(first * block), BigInt(end - first * block)] as const;
    const digest = contentDigest(Buffer.concat(range.entries));
    prepared.compared.set(`${handle} ${place[1]}`, range);
    const number = stream.add('patch', payloads.patch(...place, digest, runs, Buffer.concat(bytes)));
    prepared.sent.set(number, range);
    return count;
  }

  #table(key: string): Buffer[] {
    const table = this.#tables.get(key) ?? [];
    this.#tables.set(key, table);
    return table;
  }
}

const known = (entry: Buffer | undefined) => entry !== undefined && !entry.equals(unknown);

function kindOf(entries: readonly Buffer[], table: readonly Buffer[], at: number): 'same' | 'zero' | 'data' {
  const entry = entries[at] as Buffer;
  const known = table[at];
  if (known?.equals(entry) && !known.equals(unknown)) return 'same';
  return entry.equals(zero) ? 'zero' : 'data';
}
