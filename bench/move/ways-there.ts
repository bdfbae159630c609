/** The ways by which ghosts and image directories go to another directory, which stands for another host. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { command } from '../machine/gate-command.js';
import { timed } from '../machine/timed.js';
import { findProgram } from '../machine/tree.js';
import { type Network, until } from './network.js';

export type WayThere = 'pipe' | 'unix' | '1gbit';

const [port, rsyncPort] = [7712, 8730];

/** A receiver of ours, ready for a sender. */
export interface Receiver {
  /** The option of `pre-dump` and `dump` that reaches it. */
  options: string[];
  /** The same in config.json. */
  moveTo: string;
  end(): void;
}

/** @param scratch a folder for sockets */
export async function receive(
  way: WayThere,
  folder: string,
  scratch: string,
  network: Network | undefined,
): Promise<Receiver> {
  if (way === 'pipe') return receiveByPipe([command, 'receive', '-D', folder].join(' '));
  const socket = path.join(scratch, 'receiver.sock');
  fs.rmSync(socket, { force: true });
  const address = way === 'unix' ? socket : `127.0.0.1:${port}`;
  const child = start(network, [command, 'receive', '-D', folder, '--listen', address]);
  if (network) await network.listens(port);
  else await until(() => fs.existsSync(socket), socket);
  return { options: ['--to', address], moveTo: address, end: () => void child.kill('SIGKILL') };
}

function receiveByPipe(words: string): Receiver {
  return { options: ['--via', words], moveTo: `via:${words}`, end: () => {} };
}

/** A receiver behind dd(1), which counts the bytes. `sentBytes` returns how many came since the last call. */
export function countingReceiver(folder: string, scratch: string): Receiver & { sentBytes(): number } {
  const [script, counts] = [path.join(scratch, 'counted'), path.join(scratch, 'counts')];
  const receiver = `${command} receive -D ${folder}`;
  const text = `#!/bin/sh\nLC_ALL=C dd bs=1M 2>>${counts} | ${receiver}\n`;
  fs.writeFileSync(script, text, { mode: 0o755 });
  return {
    ...receiveByPipe(script),
    sentBytes: () => {
      const lines = fs.existsSync(counts) ? fs.readFileSync(counts, 'latin1').split('\n') : [];
      fs.rmSync(counts, { force: true });
      return lines.reduce((sum, line) => sum + Number(/^(\d+) bytes/.exec(line)?.[1] ?? 0), 0);
    },
  };
}

/** A program that copies one directory to another, and ends when the copy is on the disk. */
export interface Peer {
  name: string;
  /** @returns ms */
  copy(from: string, to: string): number;
  end(): void;
}

/**
 * Finds peers. scp is none of them, because it needs a server that lets root in. Without a slow network, cp
 * copies the same bytes, not encrypted.
 */
export async function findPeers(scratch: string, network: Network | undefined): Promise<Peer[]> {
  const rsync = findProgram('rsync');
  const peers: Peer[] = [];
  if (rsync) peers.push(network ? await rsyncDaemon(rsync, scratch, network) : localRsync(rsync));
  if (!network) {
    const script = 'mkdir -p "$2" && cp "$1"/* "$2" && sync "$2"/*';
    peers.push({
      name: 'cp',
      copy: (from, to) => timed(['sh', '-c', script, 'sh', from, to]),
      end: () => {},
    });
  }
  return peers;
}

function localRsync(rsync: readonly string[]): Peer {
  return {
    name: 'rsync',
    copy: (from, to) => timed([...rsync, '-a', '--fsync', `${from}/`, `${to}/`]),
    end: () => {},
  };
}

async function rsyncDaemon(rsync: readonly string[], scratch: string, network: Network): Promise<Peer> {
  const config = path.join(scratch, 'rsyncd.conf');
  const options = ['uid = root', 'gid = root', 'use chroot = no', 'read only = no'];
  fs.writeFileSync(config, `${options.join('\n')}\n[root]\npath = /\n`, { mode: 0o600 });
  const listen = ['--address', '127.0.0.1', '--port', String(rsyncPort)];
  const child = start(network, [...rsync, '--daemon', '--no-detach', '--config', config, ...listen]);
  await network.listens(rsyncPort);
  return {
    name: 'rsync',
    copy: (from, to) =>
      timed([
        ...network.inside,
        ...rsync,
        ...['-a', '--fsync', `${from}/`, `rsync://127.0.0.1:${rsyncPort}/root${to}/`],
      ]),
    end: () => void child.kill('SIGKILL'),
  };
}

function start(network: Network | undefined, words: readonly string[]): ChildProcess {
  const [program = '', ...args] = [...(network?.inside ?? []), ...words];
  return spawn(program, args, { stdio: 'ignore' });
}
