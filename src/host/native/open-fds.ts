import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import type { OpenFds } from '../../base/host/host.js';
import { ask } from './call.js';
import { openCounts, openFile } from './layout.js';

/** One call lists this many descriptors, which is enough for nearly every process. */
const capacity = 16_384;
/** For fewer processes than this, starting threads costs more time than the threads save. */
const worthThreads = 8;

/** These buffers are reused for each process; results are copied out of them. */
let files: BigUint64Array | undefined;
const suspects = new Uint32Array(capacity);
const carriers = new Uint32Array(capacity);
const counts = new Uint32Array(openCounts.bytes / 4);

/**
 * Looks through the descriptors in FOLDER, a /proc/PID/fd, without opening any file. LOCAL are the ids of
 * mounts whose files can be read without asking a server (local-mounts.ts). PRESUMED are the numbers of
 * descriptors that the caller will look at anyway, ascending.
 * @throws an errno error when FOLDER cannot be listed
 */
export function readOpenFds(
  folder: string,
  local: BigUint64Array,
  presumed: readonly number[] = [],
): OpenFds {
  const known = Uint32Array.from(presumed);
  const given = Uint32Array.of(local.length, known.length, capacity);
  const dirFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    return collect(room =>
      ask('gk_open_files', dirFd, given, local, known, room, suspects, carriers, counts),
    );
  } finally {
    fs.closeSync(dirFd);
  }
}

/** Room for the ids of threads that have descriptors of their own. Hardly any process has such a thread. */
const apart = new Uint32Array(4096);

/** @returns the ids of the threads of PID that have descriptors of their own */
export function threadsApart(pid: number): number[] {
  const count = new Uint32Array(1);
  ask('gk_fd_tables', pid, apart.length, apart, count);
  return [...apart.subarray(0, count[0])];
}

/**
 * Looks at the descriptors of PIDS on all processors, before the caller asks for them. The caller has to ask
 * in the order of PIDS.
 */
export class OpenFdsAhead {
  readonly #handle: bigint | undefined;
  #next = 0;

  constructor(
    private readonly pids: readonly number[],
    private readonly local: BigUint64Array,
  ) {
    if (pids.length < worthThreads) return;
    const handle = new BigUint64Array(1);
    try {
      ask('gk_ahead_begin', Uint32Array.from(pids), pids.length, this.local, local.length, handle);
      this.#handle = handle[0];
    } catch (error) {
      // The kernel has no thread or no memory for this. Then the processes are read one after the other.
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /**
   * @returns undefined where PID is not the next one in the list, or nothing was read ahead. @throws as
   * readOpenFds
   */
  take(pid: number): OpenFds | undefined {
    if (this.#handle === undefined || this.pids[this.#next] !== pid) return undefined;
    this.#next += 1;
    return collect(room => ask('gk_ahead_take', this.#handle, capacity, room, suspects, carriers, counts));
  }

  /** Call this once, and take() nothing after it. */
  end(): void {
    if (this.#handle !== undefined) ask('gk_ahead_end', this.#handle);
  }
}

function counted(field: keyof typeof openCounts.at): number {
  return counts[openCounts.at[field] / 4] as number;
}

/** Reads one portion after another until one is empty. */
function collect(portion: (room: BigUint64Array) => void): OpenFds {
  files ??= new BigUint64Array(capacity * openFile.words);
  const found: number[] = [];
  const carrying: number[] = [];
  const others: BigUint64Array[] = [];
  for (;;) {
    portion(files);
    if (counted('looked') === 0) return { suspects: found, carriers: carrying, others: joined(others) };
    for (const fd of suspects.subarray(0, counted('suspects'))) found.push(fd);
    for (const fd of carriers.subarray(0, counted('carriers'))) carrying.push(fd);
    if (counted('files') > 0) others.push(files.slice(0, counted('files') * openFile.words));
  }
}

function joined(parts: readonly BigUint64Array[]): BigUint64Array {
  if (parts.length <= 1) return parts[0] ?? new BigUint64Array();
  const all = new BigUint64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
