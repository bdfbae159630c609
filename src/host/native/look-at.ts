import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { errnoName } from '../../base/errors.js';
import type { FdLook, Refused } from '../../base/host/host.js';
import { ask } from './call.js';
import { readStat, statWords } from './stat.js';

/** struct gk_look, in words: fd, error, mount id, flags, position, how long its name is; then a gk_stat. */
const statAt = 6;
const lookWords = statAt + statWords;
/** GK_NAME_BYTES */
const nameBytes = 4096;
/** In a call. */
const mostAtOnce = 512;

/** FOLDER is a /proc/PID. So many at a time are looked at on all processors; there may be a million. */
export function* lookAt(
  folder: string,
  fds: readonly number[],
): Generator<FdLook | ({ fd: number } & Refused)> {
  if (fds.length === 0) return;
  const atOnce = Math.min(fds.length, mostAtOnce);
  const words = new BigInt64Array(atOnce * lookWords);
  const names = Buffer.allocUnsafe(atOnce * nameBytes);
  const procFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    for (let first = 0; first < fds.length; first += atOnce) {
      const some = fds.slice(first, first + atOnce);
      for (const [index, fd] of some.entries()) words[index * lookWords] = BigInt(fd);
      ask('gk_look_at', procFd, some.length, words, names);
      for (const index of some.keys())
        yield readLook(words, index * lookWords, names, index * nameBytes, folder);
    }
  } finally {
    fs.closeSync(procFd);
  }
}

function readLook(
  words: BigInt64Array,
  at: number,
  names: Buffer,
  nameAt: number,
  folder: string,
): FdLook | ({ fd: number } & Refused) {
  const word = (index: number) => words[at + index] as bigint;
  const [fd, error] = [Number(word(0)), Number(word(1))];
  if (error !== 0) return { fd, error: errorOf(error, `look at ${folder}/fd/${fd}`) };
  const length = Number(word(5));
  return {
    fd,
    stat: readStat(words, at + statAt),
    ...(length > 0 ? { target: Buffer.from(names.subarray(nameAt, nameAt + length)) } : {}),
    info: { mountId: Number(word(2)), flags: Number(word(3)), position: word(4) },
  };
}

/** As Node words its own. @param errno negative */
export function errorOf(errno: number, what: string): NodeJS.ErrnoException {
  const code = errnoName(errno) ?? `errno ${-errno}`;
  const text = getSystemErrorMap().get(errno)?.[1] ?? 'no more is known';
  return Object.assign(new Error(`${code}: ${text}, ${what}`), { code, errno });
}
