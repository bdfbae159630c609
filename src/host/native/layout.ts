/**
 * JavaScript and the engine share these structs and values, under C's names. C has them in
 * native/include/ghostkeep.h. Both sides are compared when the library is loaded (gk_layout).
 */

/** GK_ABI, the version of the header. */
export const abiVersion = 17;

export const values = {
  GK_MESSAGE_BYTES: 240,
  GK_NAME_BYTES: 4096,
  GK_ENGINE_AUTO: 0,
  GK_ENGINE_FIEMAP: 1,
  GK_ENGINE_SEEK: 2,
  GK_ENGINE_READ: 3,
  GK_EXTENT_DATA: 0,
  GK_EXTENT_UNWRITTEN: 1,
  GK_COPY_REFLINK: 1,
  GK_COPY_RANGE: 2,
  GK_COPY_READ_WRITE: 4,
  GK_DUMP_CHUNKED: 1,
  GK_DUMP_DETECT_ZEROES: 2,
  GK_DUMP_OVER: 4,
  GK_LEVELS_MAX: 33,
  GK_GREETING_BYTES: 16,
  GK_FRAME_HEAD_BYTES: 16,
  GK_FRAME_PAYLOAD_MAX: (1 << 20) + 64,
  GK_MOVE_BLOCK_BYTES: 16384,
  GK_MOVE_ENTRY_BYTES: 32,
  GK_MOVE_SAME_BLOCKS: 1024,
} as const;

const [u32, u64] = [4, 8];

export interface Struct<Field extends string = string> {
  bytes: number;
  /** The length of each field in bytes. */
  fields: Record<Field, number>;
  /** The offset in bytes at which each field begins. */
  at: Record<Field, number>;
  /** The size of the struct in words of 8 bytes, for a BigInt64Array of many structs. */
  words: number;
  /** The offset of each field in such words. */
  word: Record<Field, number>;
}

/** FIELDS maps each field to its length, in C's order. None of the structs has a gap between two fields. */
function struct<Field extends string>(fields: Record<Field, number>): Struct<Field> {
  const [at, word] = [{}, {}] as [Record<Field, number>, Record<Field, number>];
  let bytes = 0;
  for (const name in fields) {
    at[name] = bytes;
    word[name] = bytes / u64;
    bytes += fields[name];
  }
  return { bytes, fields, at, words: bytes / u64, word };
}

export const extent = struct({ offset: u64, length: u64, kind: u32, flags: u32 });

export const progress = struct({ done_bytes: u64, cancel: u32, reserved: u32 });

export const report = struct({
  data_bytes: u64,
  chunks: u64,
  unwritten_bytes: u64,
  image_bytes: u64,
  size: u64,
  kept_bytes: u64,
  differing_bytes: u64,
  uncompared_bytes: u64,
  failed_offset: u64,
  engine: u32,
  fallbacks: u32,
  ways: u32,
  crc32c: u32,
  message: values.GK_MESSAGE_BYTES,
});

export const openFile = struct({ fd: u64, dev: u64, ino: u64 });

export const openRoom = struct({ local: u32, presumed: u32, capacity: u32 });

export const openCounts = struct({ looked: u32, files: u32, suspects: u32, carriers: u32 });

export const stat = struct({
  dev: u64,
  ino: u64,
  mode: u64,
  nlink: u64,
  uid: u64,
  gid: u64,
  rdev: u64,
  size: u64,
  allocated: u64,
  block_bytes: u64,
  atime_sec: u64,
  atime_nsec: u64,
  mtime_sec: u64,
  mtime_nsec: u64,
  ctime_sec: u64,
  ctime_nsec: u64,
  birth_sec: u64,
  birth_nsec: u64,
  mount_id: u64,
});

export const look = struct({
  fd: u64,
  error: u64,
  mount_id: u64,
  flags: u64,
  position: u64,
  name_bytes: u64,
  stat: stat.bytes,
});

export const answer = struct({ done: u64, error: u64, magic: u64, stat: stat.bytes });

export const sought = struct({ dev: u64, ino: u64, pid: u64 });

export const pin = struct({ fd: u64, inode_flags: u64, xattr_bytes: u64, stat: stat.bytes });

export const dumpJob = struct({
  ghost_fd: u64,
  size: u64,
  flags: u64,
  header_at: u64,
  header_bytes: u64,
  name_at: u64,
  error: u64,
  after: stat.bytes,
  report: report.bytes,
});

export const level = struct({ image_fd: u64, map_fd: u64, data_fd: u64, given_fd: u64, given_below: u64 });

export const part = struct({ first: u64, most_bytes: u64, check: u64, next: u64, done: u64 });

export const layerName = struct({ bytes: 32 });

export const patch = struct({ offset: u64, length: u64, runs: u32, bytes: u32, digest: 32 });

const structs: Record<string, Struct> = {
  gk_extent: extent,
  gk_progress: progress,
  gk_report: report,
  gk_open_file: openFile,
  gk_open_room: openRoom,
  gk_open_counts: openCounts,
  gk_stat: stat,
  gk_look: look,
  gk_answer: answer,
  gk_sought: sought,
  gk_pin: pin,
  gk_dump_job: dumpJob,
  gk_level: level,
  gk_part: part,
  gk_name: layerName,
  gk_patch: patch,
};

/** gk_abi returns this where the library has this version. */
export const abi = (abiVersion << 16) | report.bytes;

/** gk_layout must give this text. */
export function layoutText(): string {
  const lines = Object.entries(values).map(([name, value]) => `${name} ${value}\n`);
  for (const [name, { bytes, fields, at }] of Object.entries(structs)) {
    lines.push(`${name} ${bytes}\n`);
    for (const field in fields) lines.push(`${name}.${field} ${fields[field]} at ${at[field]}\n`);
  }
  return lines.join('');
}

/**
 * @param found the text that gk_layout gave @returns the first line that differs, as a reason, or undefined
 */
export function differenceOf(found: string): string | undefined {
  const [theirs, ours] = [found, layoutText()].map(text => text.split('\n'));
  for (const [index, line] of (ours as string[]).entries()) {
    const other = theirs?.[index];
    if (other !== line) return `it has "${other ?? ''}" where this program has "${line}"`;
  }
  return theirs?.length === ours?.length ? undefined : 'it has more than this program knows of';
}
