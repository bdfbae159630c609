import { spawn } from 'node:child_process';
import type { Commands } from '../base/host.js';

export class LinuxCommands implements Commands {
  run(argv: readonly string[], environment: Record<string, string> = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0] as string, argv.slice(1), {
        stdio: 'inherit',
        env: { ...process.env, ...environment },
      });
      child.on('error', reject);
      child.on('close', (status, signal) => resolve(status ?? (signal ? 128 : 1)));
    });
  }

  output(
    argv: readonly string[],
    waitMs: number,
  ): Promise<{ status: number; stdout: string; stderr: string }> {
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
