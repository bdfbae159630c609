/**
 * Machines have pages of 4, 16 or 64 KiB. No source may take 4096 for the size of a page, so each place with such a
 * number is listed here with what it is.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));

/** 4096 and 4095 in any spelling, shifts by 12, and names for a page's size that are numbers when compiled. */
const suspect =
  /\b(409[56]n?|4_09[56]n?|0x1000n?|0x[fF]{3}n?|4n? ?\* ?1024n?|4n? ?<< ?10n?|1n? ?<< ?12n?|PAGE_(SIZE|SHIFT|MASK))\b|(<<|>>) ?12n?\b/;

const buffer = 'the size of a buffer or of a line; the data may be longer or shorter';
const count = 'a number of things, not of bytes';
const block = 'the smallest block of a file system, or a sector';

/**
 * For each file, a part of each line with such a number, and what the number is. Two equal lines need one
 * entry.
 */
const known: Record<string, Record<string, string>> = {
  'native/engine/base/memory.c': {
    'return aligned_alloc(4096, bytes);': 'an alignment that is for speed alone',
  },
  'native/engine/base/page-tag.h': { '#define TAGGED_BYTES 4096': 'how finely changes are found' },
  'native/engine/base/memory.h': {
    'at a multiple of 4096': 'an alignment that is for speed alone',
  },
  'native/engine/copy/copy.c': {
    'return 4096;': block,
    'if (bytes < 4096 ||': block,
  },
  'native/engine/copy/earlier.c': { '#define BLOCK UINT64_C(4096)': 'how finely images are compared' },
  'native/engine/copy/copy.h': { 'between 4096 bytes and 64 KiB': block },
  'native/engine/image/places.c': { '#define SMALL_MAX 4096': count },
  'native/engine/map/allocation.c': {
    'uint64_t block_end = size + (4096 - size % 4096) % 4096;':
      'the smallest block: the rest of a larger last block is listed as allocated, as it is',
  },
  'native/engine/map/read.c': { '#define BLOCK_BYTES 4096': 'how finely zeroes are told from data' },
  'native/engine/proc/deadline.c': { '#define PATH_BYTES 4096': 'PATH_MAX' },
  'native/gate/helper/channel.h': { '#define CHANNEL_LINE_BYTES 4096': 'the longest line of PROTOCOL.md' },
  'native/gate/helper/last-words.c': { '#define TAIL_BYTES 4096': buffer },
  'native/gate/look/files.c': {
    '#define NAME_BYTES 4096': 'a longer link of /proc, which larger pages allow, is a doubt',
    '#define LABEL_BYTES 4096': buffer,
  },
  'native/gate/look/place.c': { '#define ENTRIES_MAX 4096': count },
  'native/gate/look/processes.c': { '#define PORTION 4096': buffer },
  'native/gate/options.c': { '#define OPTIONS_MAX 4096': count },
  'native/include/criu-plugin-abi.h': { '#define CRIU_ERRNO_MAX 4095': "the kernel's MAX_ERRNO" },
  'native/include/ghostkeep-proc.h': { '#define GK_NAME_BYTES 4096': buffer },
  'native/include/ghostkeep-move.h': { '#define GK_MOVE_PAGE_BYTES 4096': 'a number of the stream' },
  'native/workload/pattern.c': { 'uint8_t expected[4096];': buffer },
  'native/workload/shared.c': {
    '*page = mmap(NULL, 4096,': 'a length for mmap(2), which rounds it up; less of it is used',
  },
  'src/host/archive/read-archive.ts': { 'const longestName = 4096;': 'PATH_MAX' },
  'src/base/units.ts': {
    'Bytes from `4096`': 'an example of a size',
    '& 0xfffn)': 'bits of a device number',
    '(dev >> 12n)': 'bits of a device number',
    '<< 12n)': 'bits of a device number',
  },
  'src/cli/gate-channel.ts': { 'const longestLineBytes = 4096;': 'the longest line of PROTOCOL.md' },
  'src/criu/ghost-file.ts': { '3n * 4096n': "CRIU's own number, which is the same on all machines" },
  'src/flows/choose/left-out.ts': { '[4096, 100, 2000]': count },
  'src/flows/receive/fits.ts': { 'const longestPath = 4096;': 'PATH_MAX' },
  'src/move/patch.ts': { 'const pageBytes = 4096;': 'a number of the stream' },
  'src/flows/dump/copy-one.ts': { 'const mostRanges = 4096;': count },
  'src/flows/try-hooks/workload.ts': { 'Buffer.alloc(4096)': 'the file of shared.c, of which less is used' },
  'src/host/native/layout.ts': { 'GK_NAME_BYTES: 4096': buffer },
  'src/host/native/libc.ts': {
    'const length = 4096;': 'a length for mmap(2) and munmap(2), which round it up; only the address is used',
  },
  'src/host/proc/inside.ts': { 'const partBytes = 4096;': buffer },
  'src/host/native/open-fds.ts': { 'new Uint32Array(4096)': count },
};

const files = ['src', 'native'].flatMap(folder =>
  readdirSync(path.join(top, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.(c|h|ts)$/.test(name) && !/(^|\/)(generated|blake3)\//.test(name))
    .map(name => `${folder}/${name}`)
    .sort(),
);
const linesOf = (file: string) => readFileSync(path.join(top, file), 'utf8').split('\n');

describe('the size of a memory page', () => {
  it('every number in a source that could be a page size is listed in this test with its real meaning', () => {
    const unknown = files.flatMap(file => {
      const texts = Object.keys(known[file] ?? {});
      return linesOf(file)
        .filter(line => suspect.test(line) && !texts.some(text => line.includes(text)))
        .map(line => `${file}: ${line.trim()}`);
    });
    assert.deepEqual(unknown, []);
  });

  it('every number that this test lists still exists in its source', () => {
    const gone = Object.entries(known).flatMap(([file, texts]) =>
      Object.keys(texts)
        .filter(text => !files.includes(file) || !linesOf(file).some(line => line.includes(text)))
        .map(text => `${file}: ${text}`),
    );
    assert.deepEqual(gone, []);
  });

  it('only copy.c needs the size of a page, and it asks the kernel for it', () => {
    const asks = files.filter(file => /_SC_PAGE_?SIZE|getpagesize/.test(linesOf(file).join('\n')));
    assert.deepEqual(asks, ['native/engine/base/page-cache.c']);
  });
});
