/**
 * The largest documents that ghostkeep reads. Anybody may have made them, and a sparse file costs nothing
 * however large it is. So we check the size before we read. test/scenario/sizes.test.ts shows that a command
 * stays below 512 MiB of memory where one document has its bound, and all-documents-at-their-bounds.test.ts
 * shows it for all of them at once.
 */
import type { ErrorCode } from './errors.js';

export interface Bound {
  bytes: number;
  /** The code of the error where the file is larger. */
  code: ErrorCode;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const bounds = {
  /**
   * Manifest and journal have some 1,000 bytes a ghost, so this is enough for about 40,000 ghosts. To read
   * and print them takes eight times as much memory.
   */
  manifest: { bytes: 40 * MiB, code: 'MANIFEST_INVALID' },
  /** An id and a path for each of 1024 children. */
  children: { bytes: 5 * MiB, code: 'MANIFEST_INVALID' },
  /** A number of ten digits. */
  firstId: { bytes: KiB, code: 'MANIFEST_INVALID' },
  /** Some 100 bytes an open file, so about 600,000 open files. */
  files: { bytes: 64 * MiB, code: 'CRIU_IMAGE_INVALID' },
  /** 10 to 20 bytes for each open file without a name; 200,000 entries are read. */
  remaps: { bytes: 8 * MiB, code: 'CRIU_IMAGE_INVALID' },
  /** CRIU writes some 100 bytes; the manifest keeps a copy. */
  inventory: { bytes: MiB, code: 'CRIU_IMAGE_INVALID' },
  /** Some 2 KiB a cgroup. CRIU writes all cgroups below the container's, which may be the host's root. */
  cgroup: { bytes: 64 * MiB, code: 'CRIU_IMAGE_INVALID' },
  /** JSON lines, some for each ghost. If the log is larger than this, `show --html` does without it. */
  log: { bytes: 8 * MiB, code: 'IO' },
  /** A page of settings. */
  policy: { bytes: MiB, code: 'BAD_POLICY' },
  /** Two names of some 40 bytes for each of 50,000 ghosts, and 20 KiB for each image that is being made. */
  receiver: { bytes: 6 * MiB, code: 'IMAGE_INVALID' },
  /** An id, a policy and two paths. */
  session: { bytes: MiB, code: 'BAD_INPUT' },
  /** Lines of options that the user gives CRIU. */
  criuConfig: { bytes: MiB, code: 'BAD_INPUT' },
  /** A container engine's list of its containers: some KiB for each. */
  containers: { bytes: 16 * MiB, code: 'BAD_INPUT' },
  /** An OCI bundle's config.json; large ones have some 100 KiB. */
  bundle: { bytes: 4 * MiB, code: 'BAD_INPUT' },
  /**
   * Programs that are installed with ghostkeep, and the output of these and of a runtime when `try-hooks`
   * runs them.
   */
  ownParts: { bytes: 64 * MiB, code: 'IO' },
} as const satisfies Record<string, Bound>;

/**
 * Values that one JSON document may have. An empty object is 2 bytes of text and 64 bytes of memory, so a
 * limit on the text alone is not enough. A ghost has some 50 values.
 */
export const mostJsonValues = 2_100_000;

/**
 * Different keys that the objects of one JSON document may have. Each takes some 600 bytes of memory. We know
 * some 100 keys; the others are names of extended attributes.
 */
export const mostJsonNames = 100_000;
