import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { errnoOf } from '../base/errors.js';
import type { Commands } from '../base/host/host.js';
import { findBeside, ownCommand } from './native/program-files.js';

/** The module is loaded with the first command. A hook starts no command and would wait 10 ms for it. */
const load = () => import('node:child_process');

/**
 * After the command has ended, a process that it started may keep our pipes open. We read on for this long.
 */
const lastWordsMs = 1000;

export class LinuxCommands implements Commands {
  own = ownCommand;

  async run(argv: readonly string[], environment: Record<string, string> = {}): Promise<number> {
    const { spawn } = await load();
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0] as string, argv.slice(1), {
        stdio: 'inherit',
        env: { ...process.env, ...environment },
      });
      child.on('error', error => reject(explain(error, argv)));
      child.on('close', (status, signal) => resolve(status ?? (signal ? 128 : 1)));
    });
  }

  async output(
    argv: readonly string[],
    waitMs: number,
    environment: Record<string, string> = {},
    cwd?: string,
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const { spawn } = await load();
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0] as string, argv.slice(1), {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...environment },
        ...(cwd === undefined ? {} : { cwd }),
        // The command leads a group of its own, so that a wrapper's children can be killed with it. Ctrl-C at
        // the terminal no longer reaches the group; interrupt() passes it on.
        detached: true,
      });
      const text = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]?.setEncoding('utf8').on('data', (part: string) => {
          text[name] += part;
        });
      }
      const interrupt = () => signalGroup(child.pid, 'SIGINT');
      // Our listener comes first, because another listener may end the program.
      process.prependListener('SIGINT', interrupt);
      let late = false;
      let timer = setTimeout(() => {
        late = true;
        signalGroup(child.pid, 'SIGKILL');
        timer = setTimeout(giveUp, lastWordsMs);
      }, waitMs);
      child.on('exit', () => {
        letGo();
        timer = setTimeout(giveUp, late ? 0 : lastWordsMs);
      });
      child.on('close', settle);
      child.on('error', error => {
        letGo();
        reject(explain(error, argv, cwd));
      });

      /**
       * Stops reading. Otherwise we would wait without end where a process outside the group still holds the
       * pipes, or where SIGKILL does not end the command.
       */
      function giveUp(): void {
        child.stdout?.destroy();
        child.stderr?.destroy();
        child.unref();
        settle();
      }
      function settle(): void {
        letGo();
        resolve({ status: child.exitCode ?? 1, ...text });
      }
      function letGo(): void {
        clearTimeout(timer);
        process.off('SIGINT', interrupt);
      }
    });
  }

  /** Starts the program and does not wait for it, because our own program may be about to end. */
  leave(words: readonly string[]): void {
    const { spawn } = createRequire(import.meta.url)('node:child_process') as typeof import('child_process');
    const program = findBeside('build', 'ghostkeep-hook') ?? 'build/ghostkeep-hook';
    const child = spawn(program, words, { stdio: 'ignore', detached: true, cwd: '/', env: {} });
    child.on('error', () => {});
    child.unref();
    if (child.pid === undefined)
      throw Object.assign(new Error(`${program} cannot be started`), { code: 'ENOENT' });
  }
}

/**
 * Node.js says `spawn runc ENOENT` where the program does not exist, and also where the folder to start it in
 * does not exist.
 */
function explain(error: Error, [program = '']: readonly string[], cwd?: string): Error {
  if (errnoOf(error) !== 'ENOENT') return error;
  const isFolder = cwd === undefined || existsSync(cwd);
  const where = program.includes('/') ? '' : ', or in no folder of PATH';
  const reason = isFolder ? `${program} is not installed${where}` : `there is no folder ${cwd}`;
  return Object.assign(new Error(reason), { code: 'ENOENT' });
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // The group has ended, or we may not signal it. In both cases the time limit still ends our wait.
  }
}
