/** The host's config.json, which only the bench's mount namespace sees. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

let isOver = false;

/** @param scratch the bench's own folder */
export function configure(scratch: string, config: object): void {
  if (!isOver) {
    const over = path.join(scratch, 'over-etc');
    fs.mkdirSync(over);
    execFileSync('mount', ['-t', 'tmpfs', 'ghostkeep-bench', over]);
    for (const name of ['upper', 'work']) fs.mkdirSync(path.join(over, name));
    fs.chmodSync(path.join(over, 'upper'), 0o755);
    const layers = `lowerdir=/etc,upperdir=${over}/upper,workdir=${over}/work`;
    execFileSync('mount', ['-t', 'overlay', '-o', layers, 'ghostkeep-bench', '/etc']);
    fs.mkdirSync('/etc/ghostkeep', { recursive: true });
    isOver = true;
  }
  fs.writeFileSync('/etc/ghostkeep/config.json', JSON.stringify(config), { mode: 0o644 });
}
