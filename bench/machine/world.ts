/**
 * Everything the bench makes lives in a mount and a pid namespace of its own and goes with them, whether the
 * bench ends, is stopped by Ctrl-C or crashes. The bench starts itself again inside; the outer process waits
 * and cleans up.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';

const insideVariable = 'GHOSTKEEP_BENCH_FOLDER';

/** The bench's own folder, when this process is the one inside. */
export function insideFolder(): string | undefined {
  return process.env[insideVariable];
}

/** @returns exit status of the bench inside */
export async function enterWorld(args: readonly string[], parent: string): Promise<number> {
  closeForeignDescriptors();
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(parent), 'ghostkeep-bench-'));
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'],
      // Pid 1 has to reap the processes that CRIU restored. A shell does so, and Node does not.
      ...['sh', '-c', '"$@"; exit $?', 'bench'],
      ...[...ownCommand(), 'bench', ...args],
    ],
    { stdio: 'inherit', env: { ...process.env, [insideVariable]: folder } },
  );
  // Ctrl-C reaches the bench inside directly, and its end ends everything in its namespace. We stay to clean
  // up.
  const ignore = () => {};
  const kill = () => child.kill('SIGKILL');
  process.on('SIGINT', ignore);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, kill);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve(status ?? (signal ? 128 : 1)));
    });
  } finally {
    process.off('SIGINT', ignore);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, kill);
    detachLoops(folder);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Detaches a device that was attached and not yet mounted when the bench ended. */
function detachLoops(folder: string): void {
  const { stdout } = spawnSync('losetup', ['--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  for (const line of (stdout ?? '').split('\n')) {
    const [device, file] = line.split(' ');
    if (device && file?.startsWith(`${folder}/`)) spawnSync('losetup', ['--detach', device]);
  }
}

/**
 * A descriptor that a terminal or a test runner left open here would be held by every process that CRIU is to
 * dump.
 */
function closeForeignDescriptors(): void {
  for (const name of fs.readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd > 2 && !closesOnExec(fd)) fs.closeSync(fd);
  }
}

function closesOnExec(fd: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return (Number.parseInt(flags ?? '0', 8) & 0o2000000) !== 0; // O_CLOEXEC
  } catch {
    return true; // readdirSync's own descriptor, which is closed by now
  }
}
