import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { errnoName } from '../../base/errors.js';
import type { FdLook, Memory, Refused } from '../../base/host/host.js';
import { recall } from '../records/recall.js';
import { ask } from './call.js';
import { look, values } from './layout.js';
import { readStat } from './stat.js';

/** One call looks at this many descriptors. */
const mostAtOnce = 512;

/**
 * Room for the names of MOSTATONCE descriptors, 2 MiB, kept from one search to the next. If we took new
 * memory each time, the kernel would have to clear its pages and garbage would be collected sooner, while
 * processes are frozen.
 */
let spareNames: Buffer | undefined;

/**
 * Looks at descriptors of the process whose /proc/PID is FOLDER. There may be a million, so the library looks
 * at many of them at a time, on all processors.
 */
export function* lookAt(
  folder: string,
  fds: readonly number[],
  memory?: Memory,
): Generator<FdLook | ({ fd: number } & Refused)> {
  if (fds.length === 0) return;
  const atOnce = Math.min(fds.length, mostAtOnce);
  const words = new BigInt64Array(atOnce * look.words);
  const names = takeNames(atOnce);
  const procFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    for (let first = 0; first < fds.length; first += atOnce) {
      const some = fds.slice(first, first + atOnce);
      for (const [index, fd] of some.entries()) words[index * look.words + look.word.fd] = BigInt(fd);
      ask('gk_look_at', procFd, some.length, words, names);
      const filled = words.subarray(0, some.length * look.words);
      const nameAt = (index: number) => index * values.GK_NAME_BYTES;
      const make = (index: number) => readLook(words, index * look.words, names, nameAt(index), folder);
      // The length of the name is in the record.
      const isStill = (known: ReturnType<typeof make>, index: number) =>
        'error' in known ||
        !known.target ||
        names.compare(
          known.target,
          0,
          known.target.length,
          nameAt(index),
          nameAt(index) + known.target.length,
        ) === 0;
      const key = `look ${folder} ${some[0]} ${some.length}`;
      yield* recall(memory, key, filled, { size: look.bytes }, make, isStill);
    }
  } finally {
    fs.closeSync(procFd);
    if (atOnce === mostAtOnce) spareNames = names;
  }
}

/** @returns room for COUNT names, which no other caller uses until it is given back */
function takeNames(count: number): Buffer {
  const names = count === mostAtOnce ? spareNames : undefined;
  if (names) spareNames = undefined;
  return names ?? Buffer.allocUnsafe(count * values.GK_NAME_BYTES);
}

function readLook(
  words: BigInt64Array,
  at: number,
  names: Buffer,
  nameAt: number,
  folder: string,
): FdLook | ({ fd: number } & Refused) {
  const { word } = look;
  const read = (index: number) => words[at + index] as bigint;
  const [fd, error] = [Number(read(word.fd)), Number(read(word.error))];
  if (error !== 0) return { fd, error: errorOf(error, `look at ${folder}/fd/${fd}`) };
  const length = Number(read(word.name_bytes));
  return {
    fd,
    stat: readStat(words, at + word.stat),
    ...(length > 0 ? { target: Buffer.from(names.subarray(nameAt, nameAt + length)) } : {}),
    info: {
      mountId: Number(read(word.mount_id)),
      flags: Number(read(word.flags)),
      position: read(word.position),
    },
  };
}

/** An error worded as Node words its own. @param errno negative */
export function errorOf(errno: number, what: string): NodeJS.ErrnoException {
  const code = errnoName(errno) ?? `errno ${-errno}`;
  const text = getSystemErrorMap().get(errno)?.[1] ?? 'an error without a description';
  return Object.assign(new Error(`${code}: ${text}, ${what}`), { code, errno });
}
