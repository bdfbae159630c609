/**
 * A network namespace whose loopback carries 1 Gbit/s (tc-tbf(8)). Programs are started in it with the words
 * `inside` before them. Its counter has every byte that they exchange, acknowledgements too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { missing } from '../machine/missing.js';

export interface Network {
  /** Starts a program in the namespace, and in it alone. */
  inside: readonly string[];
  sentBytes(): number;
  /** Returns when somebody listens on the port. */
  listens(port: number): Promise<void>;
  end(): void;
}

const waitMs = 60_000;
/** It must hold a packet of the loopback, which has 64 KiB. */
const shape = 'root tbf rate 1gbit burst 1mb latency 50ms';

/** @returns undefined where such a network cannot be made, which is reported */
export async function slowNetwork(): Promise<Network | undefined> {
  const setUp = `ip link set lo up && tc qdisc add dev lo ${shape}`;
  const child = spawn('unshare', ['--net', 'sh', '-c', `${setUp} && echo ready && exec sleep 86400`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  let [heard, complaint] = ['', ''];
  child.stdout.on('data', (text: Buffer) => {
    heard += text.toString('utf8');
  });
  child.stderr.on('data', (text: Buffer) => {
    complaint += text.toString('utf8');
  });
  await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  if (heard.startsWith('ready')) return networkOf(child);
  missing('1gbit', complaint.trim().split('\n')[0] ?? 'unshare failed');
  return undefined;
}

function networkOf(child: ChildProcess): Network {
  const proc = `/proc/${child.pid}`;
  return {
    inside: ['nsenter', `--net=${proc}/ns/net`, '--'],
    sentBytes: () => Number(/^\s*lo:(?:\s*\d+){8}\s+(\d+)/m.exec(read(`${proc}/net/dev`))?.[1]),
    listens: async port => {
      const name = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
      const lines = () => read(`${proc}/net/tcp`).split('\n');
      await until(() => lines().some(line => line.includes(name) && line.includes(' 0A ')), `port ${port}`);
    },
    end: () => void child.kill('SIGKILL'),
  };
}

/** @throws Error when it is not true after a minute */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + waitMs; !isTrue(); await sleep(5))
    if (performance.now() > end) throw new Error(`${what}: nobody listens`);
}

function read(file: string): string {
  return fs.readFileSync(file, 'latin1');
}
