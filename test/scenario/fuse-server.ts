import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isRoot, needs, temporaryFolder } from './ghostkeep.js';

export interface FuseServer {
  /** The folder that the server shows, and its mount point. */
  source: string;
  mount: string;
  /** Stops the server: from now on it answers nothing. */
  stop(): void;
  goOn(): void;
}

/**
 * Starts the server of a FUSE file system. With LAST it stops by itself when it has answered one such
 * request. When the test ends, the mount is removed, and every process that waits for the server ends.
 */
export async function fuseServer(t: TestContext, last?: 'statfs' | 'read'): Promise<FuseServer | undefined> {
  if (!needs(t, isRoot && fs.existsSync('/dev/fuse'), 'a FUSE mount needs root and /dev/fuse'))
    return undefined;
  const folder = fs.mkdtempSync(`${tmpdir()}/gk-fuse-`);
  const [source, mount, program] = [`${folder}/source`, `${folder}/mount`, `${folder}/server`];
  fs.mkdirSync(source);
  fs.mkdirSync(mount);
  const code = fileURLToPath(new URL('fuse-server.c', import.meta.url));
  const built = spawnSync('cc', ['-Wall', '-Wextra', '-Werror', '-o', program, code, '-lfuse3'], {
    encoding: 'utf8',
  });
  let server: ChildProcess | undefined;
  t.after(() => {
    server?.kill('SIGKILL');
    if (server) spawnSync('umount', ['-l', mount]);
    fs.rmSync(folder, { recursive: true, force: true });
  });
  if (!needs(t, built.status === 0, `no libfuse3-dev: ${built.stderr}`)) return undefined;
  // No stat of the mount: a server that is about to stop may have to answer it.
  const isMounted = () => fs.readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${mount} `);
  const child = spawn(program, [source, mount, ...(last ? [last] : [])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  server = child;
  while (child.exitCode === null && child.signalCode === null && !isMounted()) await sleep(10);
  return { source, mount, stop: () => void child.kill('SIGSTOP'), goOn: () => void child.kill('SIGCONT') };
}

/**
 * A process that holds the server's file FAR as descriptor 3, and a ghost on this machine as descriptor 4.
 */
export function farHolder(
  t: TestContext,
  { source, mount }: FuseServer,
  far: string,
  size = 3,
): Promise<number> {
  const folder = temporaryFolder(t);
  fs.writeFileSync(`${source}/${far}`, Buffer.alloc(size, 'far'));
  return hold(t, `exec 3<${mount}/${far} 4>${folder}/near; echo near >&4; rm ${folder}/near`);
}

/** A process that runs SCRIPT and then waits. */
export function hold(t: TestContext, script: string): Promise<number> {
  return start(t, ['bash', '-ec', `${script}; echo ready; exec sleep 600`]);
}

/**
 * A process with mounts of its own, in which /dev/shm is the one of this process. It listens on a socket of
 * the server's file system.
 */
export function listener(t: TestContext, { mount }: FuseServer): Promise<number> {
  const listen = `require('net').createServer().listen(${JSON.stringify(`${mount}/socket`)}, () => console.log('ready'))`;
  return start(t, ['unshare', '--mount', '--propagation', 'slave', process.execPath, '-e', listen]);
}

/** @returns the pid when it has said that it is ready */
async function start(t: TestContext, [program, ...words]: [string, ...string[]]): Promise<number> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', reject);
  });
  return child.pid as number;
}
