/**
 * The scenarios share these: the built program, folders that are removed again, and real files without a name.
 */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silent } from '../../src/base/log.js';
import type { Context } from '../../src/flows/context.js';
import { linuxHost } from '../../src/host/linux.js';
import { renderHook } from '../../src/oci/hooks-d.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
export const program = path.join(top, 'dist/ghostkeep.mjs');
const executable = path.join(top, 'build/ghostkeep');
/**
 * The command that starts ghostkeep. It is the executable, because that is what an installation runs. Where
 * there is none, or GHOSTKEEP_BY=node asks for it, Node.js starts dist/.
 */
export const command: readonly [string, ...string[]] =
  fs.existsSync(executable) && process.env['GHOSTKEEP_BY'] !== 'node'
    ? [executable]
    : [process.execPath, program];
export const workload = path.join(top, 'build/ghost-workload');
export const launcher = path.join(top, 'build/ghostkeep-hook');
export const isRoot = process.getuid?.() === 0;

const uid = process.getuid?.() ?? 0;
/** Where src/flows/container/sessions.ts and native/hook/ keep records. */
export const sessionsFolder = isRoot
  ? '/run/ghostkeep/sessions'
  : fs.existsSync(`/run/user/${uid}`)
    ? `/run/user/${uid}/ghostkeep/sessions`
    : `/tmp/ghostkeep-${uid}/sessions`;

export interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  uid?: number;
  cwd?: string;
  /** The path of another copy of dist/ghostkeep.mjs, which Node.js then starts. */
  at?: string;
  /** The program is killed after this many milliseconds; the default is 2 minutes. */
  waitMs?: number;
}

/** Run the program to its end. */
export function ghostkeep(
  args: readonly string[],
  { input = '', uid, at, waitMs = 120_000, ...options }: RunOptions = {},
): Run {
  const [file, ...words] = at === undefined ? command : [process.execPath, at];
  const result: SpawnSyncReturns<string> = spawnSync(file, [...words, ...args], {
    input,
    encoding: 'utf8',
    timeout: waitMs,
    maxBuffer: 64 << 20,
    ...(uid === undefined ? {} : { uid, gid: uid }),
    ...options,
  });
  if (result.error && (result.error as NodeJS.ErrnoException).code !== 'EPIPE') throw result.error;
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

const publicParts = [
  'dist',
  'hooks',
  'build/libghostkeep.so',
  'build/ghost-workload',
  'build/ghostkeep-hook',
  'node_modules/koffi',
  'node_modules/@koromix',
];

/**
 * A copy of the program that every user may read: a clone may lie in a folder that only its owner can enter.
 */
export function publicProgram(t: TestContext): string {
  const folder = temporaryFolder(t);
  fs.chmodSync(folder, 0o755);
  for (const part of publicParts) {
    fs.cpSync(path.join(top, part), path.join(folder, part), { recursive: true });
  }
  return path.join(folder, 'dist/ghostkeep.mjs');
}

/** The flows without a process around them, for tests that call them a thousand times. */
export const flows = (): Context => ({ host: linuxHost(), log: silent, tool: 'ghostkeep test' });

export function temporaryFolder(t: TestContext, parent = tmpdir()): string {
  const folder = fs.mkdtempSync(path.join(parent, 'gk-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** hooks/prestart or hooks/poststop as install.sh installs it, for this program. */
export function installedHook(t: TestContext, name: string): string {
  const file = path.join(temporaryFolder(t), name);
  const template = fs.readFileSync(path.join(top, 'hooks', name), 'utf8');
  fs.writeFileSync(file, renderHook(template, command), { mode: 0o755 });
  return file;
}

/** Makes a file of this process that has no name any more. It is closed when the test ends. */
export function ghostFile(
  t: TestContext,
  folder: string,
  name: string | Buffer,
  content: string | Buffer,
): number {
  const file = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name as string)]);
  const fd = fs.openSync(file, 'wx+');
  fs.writeSync(fd, content as Buffer);
  fs.unlinkSync(file);
  t.after(() => fs.closeSync(fd));
  return fd;
}

export interface Workload {
  pid: number;
  /** Lines of DIR/ready: one a holder. */
  holders: { kind: string; role: string; pid: number; fd: number; size: number; ino: number | string }[];
}

/**
 * Starts the workload, which makes its ghosts, and stops all its processes, as a runtime would freeze them.
 */
export async function stoppedWorkload(
  t: TestContext,
  folder: string,
  kinds: readonly string[],
): Promise<Workload> {
  // A dump without CRIU leaves out anonymous memory, which the processes would share, so they share a file.
  fs.writeFileSync(`${folder}/page`, Buffer.alloc(4096));
  const child = spawn(workload, ['run', folder, ...kinds], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const pid = child.pid as number;
  t.after(() => process.kill(-pid, 'SIGKILL'));
  for (let waits = 0; !fs.existsSync(`${folder}/ready`); waits += 1) {
    if (waits > 12_000 || child.exitCode !== null) throw new Error(`the workload made no ${folder}/ready`);
    await sleep(10);
  }
  process.kill(-pid, 'SIGSTOP');
  const lines = fs.readFileSync(`${folder}/ready`, 'utf8').trim().split('\n');
  return { pid, holders: lines.map(line => JSON.parse(line) as Workload['holders'][number]) };
}

/** A test that a machine cannot run is skipped with a reason; under CI nothing may be skipped. */
export function needs(t: TestContext, condition: boolean, reason: string): boolean {
  if (condition) return true;
  if (process.env['CI'] === 'true') throw new Error(`under CI nothing may be skipped: ${reason}`);
  t.skip(reason);
  return false;
}

/** Names in a folder and below, without those of folders. */
export const filesIn = (folder: string): string[] =>
  (fs.readdirSync(folder, { recursive: true }) as string[])
    .filter(name => !fs.statSync(path.join(folder, name)).isDirectory())
    .sort();
