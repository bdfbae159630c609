/**
 * The gate starts /usr/local/bin/ghostkeep. In our mount namespace, and nowhere else, that is this program.
 * Its records are kept apart from the host's, too, because they name pids of our own namespace.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';

const folder = '/usr/local/bin';
export const command = path.join(folder, 'ghostkeep');
const records = '/run/ghostkeep';

export function installCommand(scratch: string): void {
  const over = path.join(scratch, 'over');
  fs.mkdirSync(over);
  execFileSync('mount', ['-t', 'tmpfs', 'ghostkeep-bench', over]);
  for (const name of ['upper', 'work']) fs.mkdirSync(path.join(over, name));
  fs.chmodSync(path.join(over, 'upper'), 0o755);
  const layers = `lowerdir=${folder},upperdir=${over}/upper,workdir=${over}/work`;
  execFileSync('mount', ['-t', 'overlay', '-o', layers, 'ghostkeep-bench', folder]);
  fs.mkdirSync(records, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=700', 'ghostkeep-bench', records]);
  fs.rmSync(command, { force: true });
  const words = ownCommand()
    .map(word => `'${word}'`)
    .join(' ');
  fs.writeFileSync(command, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
}
