// Reads the dynamic symbols of a 64-bit ELF file, because a minimal Debian has no readelf. Source: elf(5).
const fs = require('node:fs');

const SHT_DYNSYM = 11;
const SHT_DYNAMIC = 6;
const SHN_UNDEF = 0;

/* @returns e_machine of a file. Only the header is read, so a large file costs no more than a small one. */
exports.readMachine = file => {
  const data = Buffer.alloc(64);
  const fd = fs.openSync(file, 'r');
  fs.readSync(fd, data);
  fs.closeSync(fd);
  return numbersOf(data)(18, 2);
};

/** @returns the bytes of the file, whether it is linked dynamically, and the size of each symbol it defines */
exports.readElf = file => {
  const data = fs.readFileSync(file);
  const number = numbersOf(data);
  const symbols = new Map();
  const sections = readSections(number);
  for (const { type, offset, size, link } of sections) {
    if (type !== SHT_DYNSYM) continue;
    for (let symbol = offset; symbol < offset + size; symbol += 24) {
      if (number(symbol + 6, 2) === SHN_UNDEF) continue;
      const name = sections[link].offset + number(symbol, 4);
      symbols.set(data.toString('latin1', name, data.indexOf(0, name)), number(symbol + 16, 8));
    }
  }
  return { data, dynamic: sections.some(({ type }) => type === SHT_DYNAMIC), symbols };
};

function numbersOf(data) {
  if (data.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('it is not an ELF file');
  if (data[4] !== 2) throw new Error('it is not a 64-bit program');
  return data[5] === 1 ? littleEndian(data) : bigEndian(data);
}

function readSections(number) {
  const start = number(40, 8);
  return Array.from({ length: number(60, 2) }, (_, index) => {
    const header = start + index * number(58, 2);
    return {
      type: number(header + 4, 4),
      offset: number(header + 24, 8),
      size: number(header + 32, 8),
      link: number(header + 40, 4),
    };
  });
}

const littleEndian = data => (offset, bytes) =>
  bytes === 8 ? Number(data.readBigUInt64LE(offset)) : data.readUIntLE(offset, bytes);

const bigEndian = data => (offset, bytes) =>
  bytes === 8 ? Number(data.readBigUInt64BE(offset)) : data.readUIntBE(offset, bytes);
