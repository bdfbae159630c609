/** Bundles and a way to call try-hooks, for its scenarios. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Trial } from '../../src/base/documents/generated/trial.js';
import { renderHook } from '../../src/oci/hooks-d.js';

const top = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const program = path.join(top, 'dist/ghostkeep.mjs');
const waitMs = 120_000;

export interface Run {
  status: number;
  stdout: string;
  stderr: string;
  /** The files that the command left in its temporary folder. */
  left: string[];
}

/** Runs in a separate temporary folder, so every file that is left there was left by the command. */
export function run(
  args: readonly string[],
  prefix: readonly string[] = [],
  command = 'try-hooks',
  at = program,
): Promise<Run> {
  const scratch = makeFolder(0o777);
  const [file = process.execPath, ...rest] = [...prefix, process.execPath, at, command, ...args];
  return new Promise(resolve => {
    execFile(
      file,
      rest,
      { env: { TMPDIR: scratch }, timeout: waitMs, cwd: scratch },
      (error, stdout, stderr) => {
        const left = readdirSync(scratch);
        rmSync(scratch, { recursive: true });
        resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr, left });
      },
    );
  });
}

export async function tryBundle(bundle: string): Promise<Run & { trial: Trial }> {
  const result = await run(['--bundle', bundle, '--json']);
  return { ...result, trial: JSON.parse(result.stdout) as Trial };
}

/** Shell scripts as prestart and poststop; `$OURS NAME` calls ghostkeep's own hook, with no PATH needed. */
export function makeBundle(
  scripts: { prestart?: string; poststop?: string },
  timeoutSeconds = 30,
  annotations?: Record<string, string>,
  stages: readonly ('prestart' | 'createRuntime')[] = ['prestart'],
): { bundle: string; remove: () => void } {
  const bundle = makeFolder(0o755);
  const entry = (name: 'prestart' | 'poststop') => {
    const ours = path.join(bundle, `ours-${name}`);
    writeFileSync(
      ours,
      renderHook(readFileSync(path.join(top, 'hooks', name), 'utf8'), [process.execPath, program]),
    );
    chmodSync(ours, 0o755);
    const file = path.join(bundle, name);
    writeFileSync(
      file,
      `#!/bin/sh\nPATH=/usr/bin:/bin\nOURS='${ours}'\n${scripts[name] ?? 'exec "$OURS"'}\n`,
    );
    chmodSync(file, 0o755);
    return [{ path: file, timeout: timeoutSeconds }];
  };
  const start = entry('prestart');
  const starts = Object.fromEntries(stages.map(stage => [stage, start]));
  writeConfig(bundle, { ...starts, poststop: entry('poststop') }, annotations);
  return { bundle, remove: () => rmSync(bundle, { recursive: true }) };
}

export function writeConfig(
  bundle: string,
  hooks: unknown,
  annotations: Record<string, string> = { 'io.ghostkeep.enabled': 'true' },
): void {
  mkdirSync(bundle, { recursive: true });
  writeFileSync(
    path.join(bundle, 'config.json'),
    JSON.stringify({ ociVersion: '1.0.2', annotations, hooks }),
  );
}

function makeFolder(mode: number): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'try-hooks-test-'));
  chmodSync(folder, mode);
  return folder;
}
