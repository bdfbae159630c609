import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What belongs to the program lies beside its dist/, in a source tree and where it is installed alike. */
export function findBeside(...parts: string[]): string | undefined {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (let level = 0; level < 4; level += 1) {
    const found = path.join(folder, parts.join('/'));
    if (existsSync(found)) return found;
    // Above it is somebody else's: below node_modules, a project that may have a build/ of its own.
    if (existsSync(path.join(folder, 'package.json'))) return undefined;
    folder = path.dirname(folder);
  }
  return undefined;
}
