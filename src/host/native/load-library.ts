/**
 * Loads libghostkeep.so through koffi. The library must lie beside the program, be complete, and have this
 * program's version and layout; otherwise the error gives the reason and a way out.
 */
import fs from 'node:fs';
import path from 'node:path';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { abi, differenceOf, layoutText } from './layout.js';
import { findBeside, loadKoffi } from './program-files.js';

/**
 * Gives the way out for the user where the library is missing or unsuitable. The npm package contains the
 * native sources, because a built library fits one kind of machine only.
 */
function wayOut(): string {
  const makefile = findBeside('native', 'Makefile');
  const make =
    makefile && `, \`make -B -C ${path.dirname(makefile)}\` (make and a C compiler) for an npm package`;
  return `run \`npm run build\` in a source tree, install.sh for an installation${make ?? ''}`;
}

/** @throws NATIVE_MISSING */
export function loadLibrary() {
  const file = findBeside('build', 'libghostkeep.so');
  if (file === undefined)
    throw missing('libghostkeep.so', 'find build/libghostkeep.so', 'it is not beside the program');
  let found: number;
  let difference: string | undefined;
  let library: ReturnType<typeof import('koffi')['load']>;
  try {
    assertLoadable(file);
    library = loadKoffi().load(file);
    found = (library.func('uint32_t gk_abi()') as unknown as () => number)();
    difference = found === abi ? differenceOf(readLayout(library)) : undefined;
  } catch (cause) {
    throw missing(file, `load ${file}`, reasonOf(cause), cause);
  }
  if (found !== abi) throw missing(file, `use ${file}`, `it speaks version ${found}, this program ${abi}`);
  if (difference !== undefined) throw missing(file, `use ${file}`, difference);
  return library;
}

/**
 * Reads the layout text of LIBRARY. The buffer is twice as long as our own text, so if the library's text is
 * longer and is cut, it still differs from ours.
 */
function readLayout(library: ReturnType<typeof import('koffi')['load']>): string {
  const text = Buffer.alloc(2 * layoutText().length);
  const read = library.func('uint32_t gk_layout(void *, uint32_t)') as unknown as (
    text: Buffer,
    capacity: number,
  ) => number;
  return text.toString('latin1', 0, Math.min(read(text, text.byteLength), text.byteLength));
}

/**
 * dlopen(3) maps as much as the header promises. If the file is shorter, the process would die of SIGBUS.
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
  // Only a file of ELFCLASS64 and ELFDATA2LSB has the offsets in the places where we read them.
  if (header[4] !== 2 || header[5] !== 1) return;
  // The section table is the last thing in the file.
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
