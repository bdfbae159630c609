/**
 * The gate starts /usr/local/bin/ghostkeep. In our mount namespace, and nowhere else, that is this program.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';

const folder = '/usr/local/bin';

export function installCommand(scratch: string): void {
  const over = path.join(scratch, 'over');
  fs.mkdirSync(over);
  execFileSync('mount', ['-t', 'tmpfs', 'ghostkeep-bench', over]);
  for (const name of ['upper', 'work']) fs.mkdirSync(path.join(over, name));
  fs.chmodSync(path.join(over, 'upper'), 0o755);
  const layers = `lowerdir=${folder},upperdir=${over}/upper,workdir=${over}/work`;
  execFileSync('mount', ['-t', 'overlay', '-o', layers, 'ghostkeep-bench', folder]);
  const file = path.join(folder, 'ghostkeep');
  fs.rmSync(file, { force: true });
  const command = ownCommand()
    .map(word => `'${word}'`)
    .join(' ');
  fs.writeFileSync(file, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
}
