/**
 * Finds every damage of a sealed dump: damage that stops a restore, and damage that a restore does not
 * notice.
 */
import type { ManifestGhost } from '../base/documents/generated/manifest.js';
import type { Damage } from '../base/documents/generated/verification.js';
import { type ErrorCode, errnoOf, GhostkeepError, reasonOf, translate } from '../base/errors.js';
import type { EngineReport, Host, OnProgress } from '../base/host/host.js';
import { countFromJson } from '../base/units.js';

export interface Verifying {
  /**
   * Wait until the image is on the disk, and read it from there. Only then do we know of a write that failed.
   */
  fromDisk: boolean;
  /** Called when an image is read: for its structure alone, which is quick, or all of it. */
  onProgress?: ((reading: 'structure' | 'content') => OnProgress) | undefined;
  /** Called when a ghost was looked at, however small it is. */
  onGhost?: () => void;
}

/** @returns all damage found, in the order of GHOSTS */
export async function verifyImages(
  host: Host,
  images: string,
  ghosts: readonly ManifestGhost[],
  verifying: Verifying,
): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const ghost of ghosts) {
    try {
      await verifyGhost(host, images, ghost, verifying);
    } catch (error) {
      damage.push(toDamage(ghost, error));
    }
    verifying.onGhost?.();
  }
  return damage;
}

async function verifyGhost(
  host: Host,
  images: string,
  ghost: ManifestGhost,
  { fromDisk, onProgress }: Verifying,
): Promise<void> {
  const fd = host.files.open(`${images}/${ghost.image}`);
  try {
    verifySize(host, fd, ghost);
    if (fromDisk) await host.engine.settle(fd);
    verifyReport(ghost, await host.engine.check(fd, onProgress?.('structure')));
    await verifyDigest(host, fd, ghost, onProgress?.('content'));
  } finally {
    host.files.close(fd);
  }
}

/** Compares the size of the image with the manifest. @throws IMAGE_TRUNCATED, IMAGE_MISMATCH */
export function verifySize({ files }: Host, fd: number, ghost: ManifestGhost): void {
  if (!ghost.data) return;
  const { size } = files.stat(fd);
  const wanted = countFromJson(ghost.data.imageBytes);
  if (size < wanted) throw fault('IMAGE_TRUNCATED', ghost, `it has ${size} bytes of ${wanted}`);
  if (size > wanted)
    throw fault('IMAGE_MISMATCH', ghost, `it has ${size} bytes where ${wanted} were written`);
}

/** @param report on the image, from a check or a restore. @throws IMAGE_MISMATCH */
export function verifyReport(ghost: ManifestGhost, report: EngineReport): void {
  const pairs: [string, bigint, number | string | undefined][] = [
    ['file size', report.size, ghost.size],
    ['bytes of data', report.dataBytes, ghost.data?.bytes],
    ['chunks', report.chunks, ghost.data?.chunks],
  ];
  for (const [what, found, wanted] of pairs) {
    if (wanted !== undefined && found !== countFromJson(wanted)) {
      throw fault('IMAGE_MISMATCH', ghost, `its ${what} is ${found}, the manifest says ${wanted}`);
    }
  }
}

/** Compares the digest, where one was recorded. @throws IMAGE_MISMATCH */
export async function verifyDigest(
  { engine }: Host,
  fd: number,
  ghost: ManifestGhost,
  onProgress?: OnProgress,
): Promise<void> {
  const wanted = ghost.data?.digest;
  if (!wanted) return;
  const found = showDigest((await engine.digest(fd, onProgress)).crc32c);
  if (found !== wanted)
    throw fault('IMAGE_MISMATCH', ghost, `its digest is ${found}, it was written with ${wanted}`);
}

export function showDigest(crc32c: number): string {
  return `crc32c:${crc32c.toString(16).padStart(8, '0')}`;
}

function fault(code: ErrorCode, ghost: ManifestGhost, reason: string): GhostkeepError {
  return new GhostkeepError(code, ghost.image, `${ghost.image} is damaged: ${reason}`);
}

/** A refusal to read a file says nothing about the file's state. Undefined for any other error. */
export function refusedAs(subject: string, error: unknown): Damage | undefined {
  const { code, message } = translate(error, 'IO', subject, `cannot read ${subject}`);
  return code === 'PERMISSION' ? { code, subject, message } : undefined;
}

function toDamage(ghost: ManifestGhost, error: unknown): Damage {
  const refused = refusedAs(ghost.image, error);
  if (refused) return refused;
  const code: ErrorCode =
    error instanceof GhostkeepError
      ? error.code
      : errnoOf(error) === 'ENOENT'
        ? 'IMAGE_MISSING'
        : 'IMAGE_INVALID';
  const message =
    code === 'IMAGE_MISSING'
      ? `${ghost.image} is missing`
      : error instanceof GhostkeepError
        ? error.message
        : `${ghost.image} is damaged: ${reasonOf(error)}`;
  return { code, subject: ghost.image, message };
}
