import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Files of the program lie beside its dist/, in a source tree as well as in an installation. */
export function findBeside(...parts: string[]): string | undefined {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (let level = 0; level < 4; level += 1) {
    const found = path.join(folder, parts.join('/'));
    if (existsSync(found)) return found;
    // A folder above package.json belongs to somebody else: node_modules may lie in a project with a build/
    // of its own.
    if (existsSync(path.join(folder, 'package.json'))) return undefined;
    folder = path.dirname(folder);
  }
  return undefined;
}
