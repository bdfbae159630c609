/**
 * Finds what belongs to the program and lies beside it. The program is dist/ for Node.js, or one executable
 * with the JavaScript in it (docs/decisions/0014-one-executable.md).
 */
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The Bun executable shows the JavaScript that is in it below this name. No such folder exists. */
const isExecutable = process.argv[1]?.startsWith('/$bunfs/') ?? false;

/** Whether the program runs in the executable, where Bun stands in for Node.js. */
export function runsInExecutable(): boolean {
  return isExecutable;
}

/** The words that start this program, with absolute names. */
export function ownCommand(): string[] {
  return isExecutable ? [process.execPath] : [process.execPath, realpathSync(process.argv[1] ?? '')];
}

/** Files of the program lie beside its dist/ and build/, in a source tree as well as in an installation. */
export function findBeside(...parts: string[]): string | undefined {
  let folder = path.dirname(isExecutable ? process.execPath : fileURLToPath(import.meta.url));
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

type Koffi = typeof import('koffi');
let koffi: Koffi | undefined;

/**
 * koffi calls C (docs/decisions/0001-koffi.md).
 * @throws whatever the loader throws when it is missing or damaged
 */
export function loadKoffi(): Koffi {
  koffi ??= isExecutable ? openKoffi() : requireKoffi();
  return koffi;
}

export function koffiIsLoaded(): boolean {
  return koffi !== undefined;
}

/** koffi finds its own prebuilt part beside itself; a plain require keeps it out of the bundle. */
function requireKoffi(): Koffi {
  return createRequire(import.meta.url)('koffi') as Koffi;
}

/**
 * Opens the prebuilt part that lies beside the executable, and searches nowhere else. The JavaScript of
 * koffi's package would only search, and add functions that are deprecated.
 */
function openKoffi(): Koffi {
  const module = { exports: {} };
  process.dlopen(module, path.join(path.dirname(process.execPath), 'koffi.node'));
  return module.exports as Koffi;
}
