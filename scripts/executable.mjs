// Builds build/ghostkeep, one program that needs no Node.js, and puts koffi's library beside it
// (docs/decisions/0014-one-executable.md).
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const architectures = { x64: 'x64', arm64: 'aarch64' };

/**
 * @param define what the bundlers replace, by name
 * @param target the folder whose node_modules/ has the packages for ARCH (as Node.js names it), and whose
 * build/ gets the executable
 * @returns the Bun that is in the executable; undefined where npm has no Bun for this machine: then dist/
 * alone is built
 */
export function makeExecutable(top, define, target = top, arch = process.arch) {
  const made = path.join(target, 'build/ghostkeep');
  rmSync(made, { force: true });
  const bun = findBun(target, arch);
  if (bun === undefined) return undefined;
  compile(findBun(top, process.arch), bun, top, define, `${made}.new`);
  const folder = `@koromix/koffi-linux-${arch}/linux_${arch}`;
  copyFileSync(
    path.join(target, 'node_modules', folder, 'koffi.node'),
    path.join(target, 'build/koffi.node'),
  );
  renameSync(`${made}.new`, made);
  return bun;
}

/**
 * Finds the program of Bun. The postinstall script of the package `bun` moves the program there from the
 * package of the architecture. Where npm may run no scripts, the program stays in the latter.
 */
function findBun(top, arch) {
  const places = [`@oven/bun-linux-${architectures[arch]}/bin/bun`];
  if (arch === process.arch) places.push('bun/bin/bun.exe');
  return places.map(place => path.join(top, 'node_modules', place)).find(isProgram);
}

/** Before its postinstall script has run, the package `bun` has a short text in place of the program. */
function isProgram(file) {
  const magic = Buffer.alloc(4);
  try {
    const fd = openSync(file, 'r');
    readSync(fd, magic);
    closeSync(fd);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
  return magic.toString('latin1') === '\x7fELF';
}

/**
 * The program is the Bun INSIDE with our code behind it, as text and as byte code. It is told not to read files of
 * the folder in which it is started. Bun gets no environment, because some variables change what it does.
 */
function compile(bun, inside, top, define, made) {
  const args = [
    ...['build', 'src/cli/main.ts', '--compile', `--compile-executable-path=${inside}`, `--outfile=${made}`],
    ...['--target=bun', '--format=esm', '--splitting', '--bytecode', '--minify', '--external=koffi'],
    ...Object.entries(define).map(([name, value]) => `--define=${name}=${value}`),
    ...['dotenv', 'bunfig', 'tsconfig', 'package-json'].map(file => `--no-compile-autoload-${file}`),
  ];
  const { status, error, stderr } = spawnSync(bun, args, { cwd: top, env: {}, encoding: 'utf8' });
  if (status !== 0) throw new Error(`bun build failed: ${error?.message ?? stderr.trim()}`);
}
