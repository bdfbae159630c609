import { createHash } from 'node:crypto';
import fs from 'node:fs';

/**
 * machine-id(5) asks programs not to show the id itself, so it is hashed. A host without a machine-id gets
 * another id after each boot.
 */
const sources = ['/etc/machine-id', '/proc/sys/kernel/random/boot_id'];

/** See Host.machine. */
export function machine(): string {
  const id = sources.map(readId).find(text => /^[0-9a-f-]{32,36}$/.test(text)) ?? '';
  return createHash('sha256').update(`ghostkeep ${id}`).digest('hex').slice(0, 32);
}

function readId(path: string): string {
  try {
    return fs.readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
}
