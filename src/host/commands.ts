import type { Commands } from '../base/host.js';

/** Loaded with the first command: a hook has none, and would wait 10 ms for it. */
const load = () => import('node:child_process');

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
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const { spawn } = await load();
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0] as string, argv.slice(1), {
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: waitMs,
        killSignal: 'SIGKILL',
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.on('error', reject);
      child.on('close', status => resolve({ status: status ?? 1, stdout, stderr }));
    });
  }
}
