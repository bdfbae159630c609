import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { errnoName } from '../base/errors.js';
import type { FdLook, Refused } from '../base/host.js';
import { ask } from './native.js';
import { readStat, statWords } from './stat.js';

/** struct gk_look, in words: fd, error, mount id, flags, position, where its name is, how long; then a gk_stat. */
const lookWords = 7 + statWords;
/** A name has a page at most: with this a call gets on, and gets far with most. */
const namesBytes = 256 * 1024;

/** FOLDER is a /proc/PID. */
export function lookAt(folder: string, fds: readonly number[]): (FdLook | ({ fd: number } & Refused))[] {
  if (fds.length === 0) return [];
  const words = new BigInt64Array(fds.length * lookWords);
  for (const [index, fd] of fds.entries()) words[index * lookWords] = BigInt(fd);
  const names = Buffer.allocUnsafe(namesBytes);
  const done = new Uint32Array(1);
  const looks: (FdLook | ({ fd: number } & Refused))[] = [];
  const procFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    while (looks.length < fds.length) {
      const first = looks.length;
      const rest = words.subarray(first * lookWords);
      ask('gk_look_at', procFd, fds.length - first, rest, names, namesBytes, done);
      for (let index = first; index < first + (done[0] as number); index += 1)
        looks.push(readLook(words, index * lookWords, names, folder));
    }
  } finally {
    fs.closeSync(procFd);
  }
  return looks;
}

function readLook(
  words: BigInt64Array,
  at: number,
  names: Buffer,
  folder: string,
): FdLook | ({ fd: number } & Refused) {
  const [fd, error, mountId, flags] = words.subarray(at, at + 4) as unknown as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  if (error !== 0n) return { fd: Number(fd), error: errorOf(Number(error), `look at ${folder}/fd/${fd}`) };
  const [position, nameAt, nameBytes] = words.subarray(at + 4, at + 7) as unknown as [bigint, bigint, bigint];
  return {
    fd: Number(fd),
    stat: readStat(words, at + 7),
    target: Buffer.from(names.subarray(Number(nameAt), Number(nameAt + nameBytes))),
    info: { mountId: Number(mountId), flags: Number(flags), position },
  };
}

/** As Node words its own. @param errno negative */
export function errorOf(errno: number, what: string): NodeJS.ErrnoException {
  const code = errnoName(errno) ?? `errno ${-errno}`;
  const text = getSystemErrorMap().get(errno)?.[1] ?? 'no more is known';
  return Object.assign(new Error(`${code}: ${text}, ${what}`), { code, errno });
}
