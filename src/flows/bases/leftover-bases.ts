/**
 * Bases that nobody came for: their processes have ended, their round was killed, or their ghost is gone.
 * They cost room and nothing else.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { folder, isRoughName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { isThere } from '../directory/is-there.js';
import { holderOf } from '../directory/owner.js';
import { holdBase, removeBase } from './base-file.js';
import { type BaseRecord, type FoundRecord, listBaseRecords, livingOf } from './base-records.js';
import { basesIn } from './bases.js';
import { isPassingFolder } from './passing-folder.js';

export interface BasesOfFolder {
  folder: string;
  container?: string;
  /** The living processes of all records that lead to the folder. */
  pids: number[];
  bases: { name: string; bytes: bigint }[];
}

/** Every folder that a record leads to, and IMAGES where it is given. */
export function listBases(context: Context, images?: string): BasesOfFolder[] {
  const records = listBaseRecords(context);
  const folders = new Set([...records.map(({ record }) => record.folder), ...(images ? [images] : [])]);
  return [...folders].sort().map(one => describe(context, one, records));
}

function describe(context: Context, images: string, records: readonly FoundRecord[]): BasesOfFolder {
  const { files } = context.host;
  const its = records.map(({ record }) => record).filter(record => record.folder === images);
  const container = its.find(record => record.container !== undefined)?.container;
  const names = isSilent(context, images) || !isOwnFolder(context, images) ? [] : basesIn(context, images);
  return {
    folder: images,
    ...(container === undefined ? {} : { container }),
    pids: its.flatMap(record => livingOf(context.host, record)),
    bases: names.flatMap(name => {
      try {
        return [{ name, bytes: files.statPath(`${images}/${name}`).allocated }];
      } catch (error) {
        if (errnoOf(error) === undefined) throw error;
        return [];
      }
    }),
  };
}

/**
 * Is IMAGES on a file server that does not answer? Nobody waits for such a server, and bases on it stay until
 * it answers.
 */
const isSilent = (context: Context, images: string) => isThere(context, images) === 'silent';

/**
 * Removes the records whose processes have all ended, and the bases in their folders, except where another
 * record still leads to the folder.
 * @param isEnded also ends records whose processes live: those of a container that is ending
 * @returns the folders from which bases were removed
 */
export function removeEnded(
  context: Context,
  isEnded: (record: BaseRecord) => boolean = () => false,
): string[] {
  const records = listBaseRecords(context);
  const ended = records.filter(
    ({ record }) =>
      (isEnded(record) || livingOf(context.host, record).length === 0) && !isSilent(context, record.folder),
  );
  const kept = new Set(records.filter(one => !ended.includes(one)).map(({ record }) => record.folder));
  for (const { path, record } of ended) {
    if (!kept.has(record.folder)) removeBases(context, record.folder);
    context.host.files.remove(path);
  }
  return [...new Set(ended.map(({ record }) => record.folder))].filter(one => !kept.has(one));
}

/** Removes the bases in IMAGES that nobody has locked, and our folders that are then empty. */
export function removeBases(context: Context, images: string): void {
  const { files } = context.host;
  attempt(context, images, () => {
    // A `ghostkeep checkpoint` that owns the directory takes these bases when CRIU, and with it the
    // container, has ended.
    if (holderOf(context, images) !== undefined) return;
    removeAllBut(context, images, new Set());
    // Another dump may own the directory, and be about to put its first image into the folder.
    const lock = files.lock(images);
    if (!lock) return;
    try {
      // Only an empty folder is removed (rmdir(2)), in case a dump without a lock puts its files there at
      // this moment.
      if (files.removeEmpty(`${images}/${folder}`) && isPassingFolder(images)) files.removeEmpty(images);
    } finally {
      files.close(lock.fd);
    }
  });
}

/**
 * Removes the unfinished bases that killed rounds have left in IMAGES. No dump takes them over, even if their
 * processes live.
 */
export function removeRough(context: Context, images: string): void {
  const finished = basesIn(context, images).filter(name => !isRoughName(name));
  attempt(context, images, () => removeAllBut(context, images, new Set(finished)));
}

function removeAllBut(context: Context, images: string, kept: ReadonlySet<string>): void {
  for (const name of basesIn(context, images).filter(one => !kept.has(one))) {
    const base = holdBase(context, images, name);
    if (base) removeBase(context, base);
  }
}

/** Bases that stay cost room and nothing else, so failing to remove them is no error. */
function attempt(context: Context, images: string, remove: () => void): void {
  try {
    if (isOwnFolder(context, images)) remove();
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    context.log.warn(`cannot remove the bases in ${images}/${folder}: ${reasonOf(error)}`);
  }
}

/**
 * Removes all bases in IMAGES but those WANTED: ghosts of earlier rounds of PIDS may be gone, and their bases
 * take room. If other living processes have bases in the same folder, too, nobody can tell whose base is
 * whose, and all stay.
 */
export function removeStale(
  context: Context,
  images: string,
  pids: readonly number[],
  wanted: ReadonlySet<string>,
): void {
  const own = new Set(pids);
  const isOthers = ({ record }: FoundRecord) =>
    record.folder === images && livingOf(context.host, record).some(pid => !own.has(pid));
  if (listBaseRecords(context).some(isOthers)) return;
  attempt(context, images, () => removeAllBut(context, images, wanted));
}
