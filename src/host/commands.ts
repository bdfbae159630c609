import type { Commands } from '../base/host/host.js';

/** Loaded with the first command: a hook has none, and would wait 10 ms for it. */
const load = () => import('node:child_process');

/** What has left the group may keep our pipes open; after the command's end it has this long to be read. */
const lastWordsMs = 1000;

export class LinuxCommands implements Commands {
  async run(argv: readonly string[], environment: Record<string, string> = {}): Promise<number> {
    const { spawn } = await load();
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0] as string, argv.slice(1), {
        stdio: 'inherit',
        env: { ...process.env, ...environment },
      });
      child.on('error', reject);
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
        // A wrapper's children end with it; a terminal's Ctrl-C does not reach it any more.
        detached: true,
      });
      const text = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]?.setEncoding('utf8').on('data', (part: string) => {
          text[name] += part;
        });
      }
      const interrupt = () => signalGroup(child.pid, 'SIGINT');
      // First, because whoever else listens may exit.
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
        reject(error);
      });

      /** Its pipes are held by what left the group or outlives it, or SIGKILL does not end it. */
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
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // It is gone, or may not be signalled: the limit holds all the same.
  }
}
