/**
 * libghostkeep.so through koffi: found beside the program, whole, and of this program's version, or a reason
 * with a way out.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { findBeside } from './program-files.js';

/** The native sources go with the npm package: it is built for one kind of machine. */
function wayOut(): string {
  const makefile = findBeside('native', 'Makefile');
  const make =
    makefile && `, \`make -B -C ${path.dirname(makefile)}\` (make and a C compiler) for an npm package`;
  return `run \`npm run build\` in a source tree, install.sh for an installation${make ?? ''}`;
}

/** @param abi what gk_abi must return. @throws NATIVE_MISSING */
export function loadLibrary(abi: number) {
  const file = findBeside('build', 'libghostkeep.so');
  if (file === undefined)
    throw missing('libghostkeep.so', 'find build/libghostkeep.so', 'it is not beside the program');
  let found: number;
  let library: ReturnType<typeof import('koffi')['load']>;
  try {
    assertLoadable(file);
    // koffi finds its own prebuilt part beside itself; a plain require keeps it out of the bundle.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    library = koffi.load(file);
    found = (library.func('uint32_t gk_abi()') as unknown as () => number)();
  } catch (cause) {
    throw missing(file, `load ${file}`, reasonOf(cause), cause);
  }
  if (found === abi) return library;
  throw missing(file, `use ${file}`, `it speaks version ${found}, this program ${abi}`);
}

/**
 * dlopen(3) maps what the header promises: where the file ends before that, the process dies of SIGBUS.
 * Source: elf(5)
 */
function assertLoadable(file: string): void {
  const { header, size } = readHeader(file);
  if (header.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('it is no shared library');
  const [machine, ours] = [header, readHeader('/proc/self/exe').header].map(elf => elf.readUInt16LE(18));
  if (machine !== ours)
    throw new Error(
      `it was built for another kind of machine (${machine} in its ELF header, this is ${ours})`,
    );
  // ELFCLASS64 and ELFDATA2LSB: nothing else has its offsets where they are read here.
  if (header[4] !== 2 || header[5] !== 1) return;
  // The table of sections comes last in the file.
  const end = header.readBigUInt64LE(40) + BigInt(header.readUInt16LE(58) * header.readUInt16LE(60));
  if (size < end) throw new Error(`it has ${size} of ${end} bytes`);
}

function readHeader(file: string): { header: Buffer; size: bigint } {
  const header = Buffer.alloc(64);
  const fd = fs.openSync(file, 'r');
  try {
    fs.readSync(fd, header);
    return { header, size: fs.fstatSync(fd, { bigint: true }).size };
  } finally {
    fs.closeSync(fd);
  }
}

function missing(subject: string, action: string, reason: string, cause?: unknown): GhostkeepError {
  return new GhostkeepError('NATIVE_MISSING', subject, `cannot ${action}: ${reason}; ${wayOut()}`, { cause });
}
