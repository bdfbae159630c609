/**
 * The only module that calls libghostkeep.so, through koffi (docs/decisions/0001-koffi.md). libc.ts has the
 * calls that Node lacks from libc. native/include/ghostkeep.h has the contract of every function.
 */
import { errnoName } from '../../base/errors.js';
import type { CopyWay, EngineName, EngineReport } from '../../base/host/host.js';
import { report as layout, values } from './layout.js';
import { loadLibrary } from './load-library.js';

const engines: Record<EngineName, number> = {
  auto: values.GK_ENGINE_AUTO,
  fiemap: values.GK_ENGINE_FIEMAP,
  seek: values.GK_ENGINE_SEEK,
  read: values.GK_ENGINE_READ,
};
const engineNames = new Map(Object.entries(engines).map(([name, number]) => [number, name as EngineName]));
const ways: [number, CopyWay][] = [
  [values.GK_COPY_REFLINK, 'reflink'],
  [values.GK_COPY_RANGE, 'copy_file_range'],
  [values.GK_COPY_READ_WRITE, 'read/write'],
];

type Call = ((...args: unknown[]) => number) & {
  async(...args: [...unknown[], (error: Error | null, result: number) => void]): void;
};

const signatures = {
  gk_extents: 'int gk_extents(int, uint32_t, uint64_t, uint64_t, void *, uint32_t, void *, void *, void *)',
  gk_dump: 'int gk_dump(int, int, uint32_t, uint64_t, void *, uint64_t, uint32_t, void *, void *)',
  gk_write_back: 'int gk_write_back(int, uint64_t, void *, void *)',
  gk_check: 'int gk_check(int, void *, void *)',
  gk_digest: 'int gk_digest(int, void *, void *)',
  gk_copy: 'int gk_copy(int, int, uint32_t, uint64_t, void *, void *)',
  gk_restore: 'int gk_restore(int, int, void *, void *)',
  gk_share: 'int gk_share(int, int, void *, void *)',
  gk_pack: 'int gk_pack(void *, uint32_t, void *, uint32_t, int, int, void *, void *, void *)',
  gk_unpack: 'int gk_unpack(void *, uint32_t, int, void *, uint64_t, void *, void *)',
  gk_unpack_part: 'int gk_unpack_part(void *, uint32_t, int, void *, uint64_t, void *, void *, void *)',
  gk_give_up: 'int gk_give_up(void *, uint32_t, uint32_t, int, uint32_t, void *, void *)',
  gk_punch: 'int gk_punch(void *, void *, void *)',
  gk_check_layer: 'int gk_check_layer(void *, uint32_t, void *, void *)',
  gk_layer_name: 'int gk_layer_name(int, void *, void *)',
  gk_chunks: 'int gk_chunks(int, uint64_t, void *, uint32_t, void *, void *, void *)',
  gk_allocation: 'int gk_allocation(int, uint64_t, uint64_t, void *, uint32_t, void *, void *, void *)',
  gk_allocate: 'int gk_allocate(int, uint64_t, uint64_t, void *)',
  gk_set_times: 'int gk_set_times(int, int64_t, int64_t, int64_t, int64_t, void *)',
  gk_get_flags: 'int gk_get_flags(int, void *, void *)',
  gk_set_flags: 'int gk_set_flags(int, uint32_t, void *)',
  gk_list_xattrs: 'int gk_list_xattrs(int, void *, void *, void *)',
  gk_get_xattr: 'int gk_get_xattr(int, void *, void *, void *, void *)',
  gk_set_xattr: 'int gk_set_xattr(int, void *, void *, uint64_t, void *)',
  gk_open_as_owner: 'int gk_open_as_owner(int, void *, void *)',
  gk_open_files: 'int gk_open_files(int, void *, void *, void *, void *, void *, void *, void *, void *)',
  gk_ahead_begin: 'int gk_ahead_begin(void *, uint32_t, void *, uint32_t, void *, void *)',
  gk_ahead_take: 'int gk_ahead_take(uint64_t, uint32_t, void *, void *, void *, void *, void *)',
  gk_ahead_end: 'int gk_ahead_end(uint64_t, void *)',
  gk_settle: 'int gk_settle(int, void *)',
  gk_fd_tables: 'int gk_fd_tables(uint32_t, uint32_t, void *, void *, void *)',
  gk_look_at: 'int gk_look_at(int, uint32_t, void *, void *, void *)',
  gk_stat_cached: 'int gk_stat_cached(void *, void *, void *)',
  gk_stat_entry: 'int gk_stat_entry(int, void *, void *, void *)',
  gk_read_folder: 'int gk_read_folder(int, void *, uint64_t, void *, void *)',
  gk_ask_servers: 'int gk_ask_servers(void *, uint32_t, uint32_t, void *, void *)',
  gk_ask_in_root: 'int gk_ask_in_root(void *, void *, uint32_t, void *, void *)',
  gk_find_holders: 'int gk_find_holders(void *, uint32_t, void *, uint32_t, uint32_t, void *, void *)',
  gk_deadline: 'int gk_deadline(uint32_t, int, void *, void *, void *)',
  gk_pin: 'int gk_pin(void *, uint32_t, void *, void *)',
  gk_dump_many: 'int gk_dump_many(int, uint32_t, uint32_t, uint32_t, void *, void *, void *, void *)',
  gk_rename_many: 'int gk_rename_many(int, int, uint32_t, void *, void *, void *)',
  gk_are_free: 'int gk_are_free(int, uint32_t, void *, void *, void *)',
  gk_crc32c: 'uint32_t gk_crc32c(uint32_t, void *, uint64_t)',
  gk_open_in_root: 'int gk_open_in_root(int, void *, void *, void *)',
  gk_link_open: 'int gk_link_open(int, int, uint32_t, void *, void *)',
  gk_link_greet: 'int gk_link_greet(uint64_t, void *, void *, void *)',
  gk_link_beat: 'int gk_link_beat(uint64_t, uint32_t, void *)',
  gk_link_receive: 'int gk_link_receive(uint64_t, uint32_t, void *, void *)',
  gk_link_send: 'int gk_link_send(uint64_t, uint32_t, void *, uint32_t, void *, void *)',
  gk_link_close: 'int gk_link_close(uint64_t, void *)',
  gk_store_resize: 'int gk_store_resize(int, int, uint64_t, void *)',
  gk_store_data: 'int gk_store_data(int, int, uint64_t, void *, uint32_t, void *, void *, void *)',
  gk_store_patch: 'int gk_store_patch(int, int, void *, void *, void *, void *, void *, void *)',
  gk_store_zero: 'int gk_store_zero(int, int, uint64_t, uint64_t, void *, void *)',
  gk_store_sync: 'int gk_store_sync(int, uint32_t, void *)',
  gk_shape_runs: 'int gk_shape_runs(int, uint64_t, void *, uint32_t, void *, void *)',
  gk_shape_tail: 'int gk_shape_tail(int, uint64_t, uint64_t, void *, uint32_t, void *)',
  gk_shape_heads: 'int gk_shape_heads(int, uint64_t, void *, uint64_t, void *, uint32_t, void *)',
  gk_table_put: 'int gk_table_put(int, uint64_t, uint32_t, void *, void *)',
  gk_carrier_start: 'int gk_carrier_start(void *, uint32_t, void *, uint32_t, void *, void *)',
  gk_carrier_end: 'int gk_carrier_end(void *, uint32_t, void *, void *)',
  gk_send_open: 'int gk_send_open(int, int, uint32_t, uint32_t, uint32_t, void *, void *)',
  gk_send_close: 'int gk_send_close(uint64_t, void *)',
  gk_send_patiently: 'int gk_send_patiently(uint64_t, uint32_t, void *)',
  gk_send_tables: 'int gk_send_tables(uint64_t, int, void *)',
  gk_send_message: 'int gk_send_message(uint64_t, uint32_t, void *, uint64_t, uint32_t, void *)',
  gk_send_await: 'int gk_send_await(uint64_t, void *, void *, void *)',
  gk_send_failure: 'int gk_send_failure(uint64_t, void *, void *, void *)',
  gk_send_ghost: 'int gk_send_ghost(uint64_t, int, uint32_t, uint64_t, void *, void *, void *)',
  gk_send_needed: 'int gk_send_needed(uint64_t, uint32_t, void *, void *)',
  gk_send_file: 'int gk_send_file(uint64_t, int, uint64_t, void *, void *)',
  gk_table_digest: 'int gk_table_digest(int, uint64_t, uint32_t, void *, void *, void *)',
  gk_table_make: 'int gk_table_make(int, int, void *, void *)',
} as const;

export type NativeFunction = Exclude<keyof typeof signatures, 'gk_crc32c'>;

let loaded: Record<keyof typeof signatures, Call> | undefined;

/** Call NAME with ARGS, followed by a report. @throws an errno error with the library's own message */
export function call(name: NativeFunction, ...args: unknown[]): EngineReport {
  const report = Buffer.alloc(layout.bytes);
  // biome-ignore lint/plugin: only as many arguments as the C function takes
  const result = library()[name](...args, report);
  if (result < 0) throw nativeError(name, result, report);
  return readReport(report);
}

/** Like call, for a function that writes its answer into ARGS and nothing into the report. @throws as call */
export function ask(name: NativeFunction, ...args: unknown[]): void {
  unread.fill(0, layout.at.message, layout.at.message + 1);
  // biome-ignore lint/plugin: only as many arguments as the C function takes
  const result = library()[name](...args, unread);
  if (result < 0) throw nativeError(name, result, unread);
}

const unread = Buffer.alloc(layout.bytes);

/** Like call, but on another thread, so that the event loop goes on and can show progress. */
export function callOnThread(name: NativeFunction, ...args: unknown[]): Promise<EngineReport> {
  const report = Buffer.alloc(layout.bytes);
  return new Promise((resolve, reject) => {
    // biome-ignore lint/plugin: only as many arguments as the C function takes
    library()[name].async(...args, report, (error: Error | null, result: number) => {
      if (error) reject(error);
      else if (result < 0) {
        const failure = nativeError(name, result, report);
        failed.set(failure, report);
        reject(failure);
      } else resolve(readReport(report));
    });
  });
}

/** The reports of calls that have failed. Some callers count what a call found before it failed. */
const failed = new WeakMap<object, Buffer>();

/** The report of a call by callOnThread that has failed with ERROR; undefined for any other error. */
export function failedReport(error: unknown): EngineReport | undefined {
  const report = typeof error === 'object' && error !== null ? failed.get(error) : undefined;
  return report && readReport(report);
}

/**
 * openat2(2) with RESOLVE_IN_ROOT. @returns an O_PATH descriptor that the caller closes, or undefined where
 * no file has that name
 */
export function openInRoot(rootFd: number, file: Buffer): number | undefined {
  const fd = Buffer.alloc(4);
  try {
    call('gk_open_in_root', rootFd, cString(file), fd);
    return fd.readInt32LE(0);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

/**
 * BYTES with a NUL behind them. @throws EINVAL where BYTES contain a NUL, because C would stop reading there
 */
export function cString(bytes: Buffer): Buffer {
  if (bytes.includes(0)) throw Object.assign(new Error('EINVAL: a NUL in a name'), { code: 'EINVAL' });
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/**
 * Open a file as its owner would. PATH_FD was made with O_PATH. The caller closes the descriptor returned.
 */
export function openAsOwner(pathFd: number): number {
  const fd = Buffer.alloc(4);
  call('gk_open_as_owner', pathFd, fd);
  return fd.readInt32LE(0);
}

/** Flags of gk_dump. */
export function dumpFlags({
  chunked,
  detectZeroes,
  over = false,
}: {
  chunked: boolean;
  detectZeroes: boolean;
  over?: boolean;
}): number {
  return (
    (chunked ? values.GK_DUMP_CHUNKED : 0) |
    (detectZeroes ? values.GK_DUMP_DETECT_ZEROES : 0) |
    (over ? values.GK_DUMP_OVER : 0)
  );
}

export function engineNumber(name: EngineName): number {
  return engines[name];
}

/**
 * The crc32c of all bytes so far. BEFORE is the crc32c of the bytes before BYTES, and 0 where there are none.
 */
export function crc32c(before: number, bytes: Uint8Array): number {
  return library().gk_crc32c(before, bytes, bytes.byteLength);
}

function library(): Record<keyof typeof signatures, Call> {
  if (loaded) return loaded;
  const lib = loadLibrary();
  loaded = Object.fromEntries(
    Object.entries(signatures).map(([name, text]) => [name, lib.func(text) as unknown as Call]),
  ) as Record<keyof typeof signatures, Call>;
  return loaded;
}

export function nativeError(name: string, result: number, report: Buffer): NodeJS.ErrnoException {
  return Object.assign(new Error(messageOf(report) || `${name} failed`), {
    code: errnoName(result) ?? `errno ${-result}`,
    errno: result,
    syscall: name,
  });
}

function messageOf(report: Buffer): string {
  const end = report.indexOf(0, layout.at.message);
  return report.toString('utf8', layout.at.message, end < 0 ? layout.bytes : end);
}

export function readReport(report: Buffer): EngineReport {
  const { at } = layout;
  const set = report.readUInt32LE(at.ways);
  return {
    dataBytes: report.readBigUInt64LE(at.data_bytes),
    chunks: report.readBigUInt64LE(at.chunks),
    unwrittenBytes: report.readBigUInt64LE(at.unwritten_bytes),
    imageBytes: report.readBigUInt64LE(at.image_bytes),
    size: report.readBigUInt64LE(at.size),
    keptBytes: report.readBigUInt64LE(at.kept_bytes),
    differingBytes: report.readBigUInt64LE(at.differing_bytes),
    uncomparedBytes: report.readBigUInt64LE(at.uncompared_bytes),
    failedOffset: report.readBigUInt64LE(at.failed_offset),
    engine: engineNames.get(report.readUInt32LE(at.engine)) ?? 'auto',
    fallbacks: report.readUInt32LE(at.fallbacks),
    ways: ways.filter(([bit]) => set & bit).map(([, name]) => name),
    crc32c: report.readUInt32LE(at.crc32c),
    why: messageOf(report),
  };
}
