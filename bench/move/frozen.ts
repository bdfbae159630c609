/**
 * Measures how long a process is frozen while its ghost goes to another directory. The gate sends what has
 * changed since the last round. CRIU alone writes all of it, and its image directory is copied before the
 * process may go on.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dense, type Pattern, writeChanges } from '../content/patterns.js';
import { type Criu, dump, imagesEqual } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { command } from '../machine/gate-command.js';
import { type Holder, heldFile, hold } from '../machine/holder.js';
import { timed, warm } from '../machine/timed.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { SuiteContext } from '../suite.js';
import { moveTarget } from '../targets.js';
import { configure } from './configure.js';
import { type Network, slowNetwork } from './network.js';
import {
  countingReceiver,
  findPeers,
  type Peer,
  type Receiver,
  receive,
  type WayThere,
} from './ways-there.js';

/** The most rounds, if there is time for them. */
const most = 3;
const mebibytes = { full: 1024, quick: 64 };

export interface FrozenRequest {
  name: string;
  /** After the round, one in so many blocks of 4 KiB is written over; none where it is 0. */
  every: number;
  way: WayThere;
  filesystem: Filesystem;
}

/** @returns undefined where there is no such network */
export async function frozenRow(
  context: SuiteContext,
  criu: Criu,
  request: FrozenRequest,
  until: number,
): Promise<Row | undefined> {
  const network = request.way === '1gbit' ? await slowNetwork() : undefined;
  if (request.way === '1gbit' && !network) return undefined;
  const peers = await findPeers(context.scratch, network);
  try {
    return peers.length > 0 ? await new Frozen(context, criu, request, network).run(peers, until) : undefined;
  } finally {
    for (const peer of peers) peer.end();
    network?.end();
  }
}

class Frozen {
  readonly #here: string;
  readonly #there: string;
  readonly #pattern: Pattern;
  readonly #criu: Criu;
  #revision = 0;
  readonly #unequal = new Set<string>();
  readonly #sent: Record<string, number> = {};
  readonly #sealMs: number[] = [];

  constructor(
    private readonly context: SuiteContext,
    criu: Criu,
    private readonly request: FrozenRequest,
    private readonly network: Network | undefined,
  ) {
    const { folder } = request.filesystem;
    [this.#here, this.#there] = [path.join(folder, 'here'), path.join(folder, 'there')];
    this.#pattern = dense(context.quick ? mebibytes.quick : mebibytes.full);
    // CRIU runs in the holder's network namespace. Otherwise it would take that namespace for one to dump.
    this.#criu = { ...criu, words: [...this.#inside, ...criu.words] };
  }

  async run(peers: readonly Peer[], until: number): Promise<Row> {
    const { name, every, way, filesystem } = this.request;
    const holder = await hold(filesystem.folder, [this.#pattern], 'synced', 0, this.#inside);
    try {
      const turns: [string, () => number | Promise<number>][] = [
        ...peers.map(peer => [nameOf(peer), () => this.#byPeer(peer, holder)] as [string, () => number]),
        [ours, () => this.#byGate(holder)],
      ];
      // The first run reads and loads things that no contender should pay for.
      if (this.context.quick) for (const [, once] of turns) await once();
      const samples = await interleave(Object.fromEntries(turns), most, until);
      if (way === 'pipe') await this.#byGate(holder, { counted: true });
      return makeRow({
        suite: 'move',
        case: name,
        filesystem: filesystem.name,
        state: way,
        samples,
        unequal: this.#unequal,
        target: moveTarget(every && 1 / every),
        sentBytes: this.#sent,
        sealMs: this.#sealMs,
      });
    } finally {
      await holder.end();
    }
  }

  get #inside(): readonly string[] {
    return this.network?.inside ?? [];
  }

  /**
   * One run with the gate. With `counted`, its time means nothing, because a program that counts is in the
   * pipe.
   */
  async #byGate(holder: Holder, { counted } = { counted: false }): Promise<number> {
    const { scratch } = this.context;
    const counter = counted ? countingReceiver(this.#there, scratch) : undefined;
    const receiver: Receiver =
      counter ?? (await receive(this.request.way, this.#there, scratch, this.network));
    try {
      timed([...this.#inside, command, 'pre-dump', '--pid', String(holder.pid), ...receiver.options]);
      const now = this.#change(holder);
      configure(scratch, { moveTo: receiver.moveTo, warm: false, moveDeadline: 60 });
      warm(this.request.filesystem.folder, this.#pattern.size);
      counter?.sentBytes();
      const before = this.network?.sentBytes() ?? 0;
      const { frozenMs } = dump(this.#criu, ours, now, this.#here);
      if (!counter) this.#sealMs.push(sealMs(path.join(this.#here, 'ghostkeep.log')));
      if (this.network) this.#sent[ours] = this.network.sentBytes() - before;
      if (counter) this.#sent[ours] = counter.sentBytes();
      if (!imagesEqual(ours, now, this.#there)) this.#unequal.add(ours);
      return frozenMs;
    } finally {
      receiver.end();
      this.#clear();
    }
  }

  #byPeer(peer: Peer, holder: Holder): number {
    try {
      const now = this.#change(holder);
      warm(this.request.filesystem.folder, 2 * this.#pattern.size);
      const { frozenMs, bytes } = dump(this.#criu, 'criu-seek', now, this.#here);
      const before = this.network?.sentBytes() ?? 0;
      const copying = peer.copy(this.#here, this.#there);
      this.#sent[nameOf(peer)] = this.network ? this.network.sentBytes() - before : bytes;
      if (!imagesEqual('criu-seek', now, this.#there)) this.#unequal.add(nameOf(peer));
      return frozenMs + copying;
    } finally {
      this.#clear();
    }
  }

  /** @returns the holder with the bytes that it has now */
  #change(holder: Holder): Holder {
    const { every } = this.request;
    if (every === 0) return holder;
    this.#revision += 1;
    const pattern = { ...this.#pattern, changed: { every, revision: this.#revision } };
    writeChanges(pattern, heldFile(holder));
    return { ...holder, patterns: [pattern] };
  }

  #clear(): void {
    for (const folder of [this.#here, this.#there]) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The part of the time frozen after the last ghost's arrival, by the helper's log. CRIU's own files are sent,
 * and the receiver makes the images of the ghosts.
 */
function sealMs(log: string): number {
  const lines = fs.readFileSync(log, 'utf8').trim().split('\n');
  const times = lines.map(line => Date.parse((JSON.parse(line) as { timestamp: string }).timestamp));
  const sealed = lines.findIndex(line => line.includes('sealed in'));
  return (times.at(-1) ?? 0) - (times[sealed] ?? Number.NaN);
}

function nameOf({ name }: Peer): string {
  return `criu, ${name}`;
}
