/** Steps of a command's progress that several flows have. */
import { availableParallelism } from 'node:os';
import type { ManifestGhost } from '../base/documents/generated/manifest.js';
import type { FileStat } from '../base/host/host.js';
import { inParallel } from '../base/parallel.js';
import { countFromJson } from '../base/units.js';
import { type Found, findGhosts } from '../ghost/find/find.js';
import type { Context } from './context.js';

/** Finds ghosts, and tells of each process. @param wanted as in findGhosts */
export function searchGhosts(
  context: Context,
  pids: readonly number[],
  wanted: Parameters<typeof findGhosts>[3] = {},
): Found {
  return findGhosts(context.host.processes, pids, beginSearch(context, pids), wanted);
}

/** @returns what a search of PIDS calls at each process, and in between without a pid */
export function beginSearch({ alive, progress }: Context, pids: readonly number[]): (pid?: number) => void {
  progress?.begin({ what: 'looking for ghosts', item: 'process', items: pids.length });
  return pid => {
    alive?.();
    if (pid !== undefined) progress?.did();
  };
}

export function beginSync({ progress }: Context, files: number, what = 'waiting for the disk'): void {
  progress?.begin({ what, item: 'file', items: files });
}

/** For work that reads the image of each of GHOSTS. */
export function beginImages({ progress }: Context, what: string, ghosts: readonly ManifestGhost[]): void {
  const bytes = () => ghosts.reduce((sum, { data }) => sum + countFromJson(data?.imageBytes ?? 0), 0n);
  progress?.begin({ what, item: 'ghost', items: ghosts.length, bytes });
}

/** Works on ghosts side by side, in a step that is called WHAT. @param moves WORK moves their bytes */
export async function stepInParallel<Item extends { pinned: { stat: FileStat } }>(
  { progress }: Context,
  what: string,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  { moves } = { moves: true },
): Promise<void> {
  const bytes = () => dataAtMost(items.map(({ pinned }) => pinned));
  progress?.begin({ what, item: 'ghost', items: items.length, ...(moves ? { bytes } : {}) });
  await inParallel(items, availableParallelism(), async item => {
    await work(item);
    progress?.did();
  });
}

/** Bytes of data that files have at most: what is allocated may reach behind the end of a file. */
export function dataAtMost(files: readonly { stat: Pick<FileStat, 'allocated' | 'size'> }[]): bigint {
  let sum = 0n;
  for (const { stat } of files)
    if (stat.size < stat.allocated) sum += stat.size;
    else sum += stat.allocated;
  return sum;
}
