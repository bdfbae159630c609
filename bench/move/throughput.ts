/**
 * `dump --via` of a ghost that was never sent, beside programs that carry a file through a pipe or a socket.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileEquals } from '../content/equal.js';
import { dense } from '../content/patterns.js';
import { imagesEqual } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { command } from '../machine/gate-command.js';
import { type Holder, heldFile, hold } from '../machine/holder.js';
import { timed, warm } from '../machine/timed.js';
import { findProgram } from '../machine/tree.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { SuiteContext } from '../suite.js';
import { throughputTarget } from '../targets.js';

const most = 5;
const mebibytes = { full: 1024, quick: 64 };

export async function throughputRow(
  context: SuiteContext,
  filesystem: Filesystem,
  until: number,
): Promise<Row> {
  const { folder } = filesystem;
  const pattern = dense(context.quick ? mebibytes.quick : mebibytes.full);
  const holder = await hold(folder, [pattern], 'synced');
  const [here, there, file] = ['here', 'there', 'file'].map(name => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const unequal = new Set<string>();
  const once = (name: string, words: readonly string[], isEqual: () => boolean): number => {
    try {
      warm(folder, pattern.size);
      const ms = timed(words);
      if (!isEqual()) unequal.add(name);
      return ms;
    } finally {
      for (const made of [here, there, file]) fs.rmSync(made, { recursive: true, force: true });
    }
  };
  const peers = peersOf(holder, file, context.scratch).map(([name, script]) => {
    const words = ['sh', '-c', script];
    return [name, () => once(name, words, () => fileEquals(pattern, file))] as const;
  });
  const via = [command, 'receive', '-D', there].join(' ');
  const words = [command, 'dump', '--pid', String(holder.pid), '-D', here, '--via', via];
  const own = () => once(ours, words, () => imagesEqual(ours, holder, there));
  try {
    const samples = await interleave({ ...Object.fromEntries(peers), [ours]: own }, most, until);
    const names = { suite: 'move', case: 'throughput', filesystem: filesystem.name, state: 'pipe' };
    return makeRow({ ...names, samples, unequal, target: throughputTarget });
  } finally {
    await holder.end();
  }
}

/** Peers of `dump --via`. Each writes the file out to the disk before it ends, as our receiver does. */
function peersOf(holder: Holder, file: string, scratch: string): [string, string][] {
  const write = `dd of=${file} bs=1M iflag=fullblock conv=fsync`;
  const peers: [string, string][] = [['cat, dd', `cat ${heldFile(holder)} | ${write}`]];
  const socat = findProgram('socat');
  if (socat) {
    const [program, socket] = [`${socat.join(' ')} -b 1048576 -u`, path.join(scratch, 'socat.sock')];
    const listen = `${program} UNIX-LISTEN:${socket},unlink-close=1 STDOUT | ${write}`;
    const send = `${program} OPEN:${heldFile(holder)},rdonly UNIX-CONNECT:${socket},retry=1000,interval=0.01`;
    peers.push(['socat, dd', `${send} & ${listen} && wait $!`]);
  }
  return peers;
}
