/** `ghostkeep check`: would a checkpoint succeed now? It only reads, but for one sample that it copies. */

import path from 'node:path';
import type { Check, Refusal } from '../../base/documents/generated/check.js';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { toRecord } from '../../ghost/ghost.js';
import { assertMayReplace } from '../chain/children.js';
import { findImagePlace } from '../container/image-place.js';
import { policyOf } from '../container/policy.js';
import type { Context } from '../context.js';
import { assertThere, type Selection, selectPids } from '../scan/select.js';
import { searchGhosts } from '../steps.js';
import { findDoubts, findMountRefusals, findRefusals } from './refusals.js';
import { estimate } from './room.js';

/**
 * A file server may die while its files are looked at, so the whole check has a deadline.
 * @param images where the next checkpoint will lie; it need not be there yet. Without it we look for the
 * place that the container's engine will use
 * @throws NOT_FOUND for processes that are not there
 */
export async function check(context: Context, selection: Selection, images?: string): Promise<Check> {
  const what = selection.container ?? 'the processes';
  const watch = context.watch?.({
    subject: what,
    action: `cannot check ${what}`,
    wayOut:
      'a file server that does not answer is likely, and a checkpoint would wait for it as well; nothing was changed',
  });
  const alive = () => {
    context.alive?.();
    watch?.alive();
  };
  try {
    return await lookAtAll({ ...context, alive }, selection, images);
  } finally {
    watch?.stop();
  }
}

async function lookAtAll(context: Context, selection: Selection, images?: string): Promise<Check> {
  const { host } = context;
  const pids = selectPids(host, selection);
  for (const pid of selection.pids ?? []) assertThere(host.processes, pid);
  const [first = 0] = pids;
  const { policy } = policyOf(context, first);
  const found = searchGhosts(context, pids, { named: true });
  const place = placeOf(context, pids, selection, images);
  const { room, freeze, refusals } = await estimate(context, found, { policy, pids }, place.folder);
  const unseen: string[] = [];
  const all = [
    ...findRefusals(context, found, { policy, pids }, text => unseen.push(text)),
    ...findMountRefusals(context, pids),
    ...findChildrenRefusals(context, images),
    ...refusals,
  ];
  return {
    ok: all.length === 0,
    processes: pids.length,
    refusals: all,
    doubts: [...unseen, ...findDoubts(found), ...place.doubts],
    ghosts: found.ghosts.map(ghost => ({ ...toRecord(ghost), keep: ghost.keep, why: ghost.why })),
    room,
    freeze,
  };
}

/** A checkpoint is not written over what packed directories need. */
function findChildrenRefusals(context: Context, images: string | undefined): Refusal[] {
  if (images === undefined) return [];
  try {
    assertMayReplace(context, images);
    return [];
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    const { code, message } = error;
    return [{ code, subject: 'images', message }];
  }
}

function placeOf(
  context: Context,
  pids: readonly number[],
  { container }: Selection,
  images: string | undefined,
): { folder?: string; doubts: string[] } {
  const { files } = context.host;
  if (images !== undefined) return { folder: nearest(context, images), doubts: [] };
  const what = container === undefined ? 'these processes' : `container ${container}`;
  try {
    return { folder: files.realPath(findImagePlace(context, pids, what).folder), doubts: [] };
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    return { doubts: [`room and time are not known: ${reasonOf(error)}`] };
  }
}

/** The directory itself or, where it is not there yet, the folder in which it will be made. */
function nearest({ host: { files } }: Context, images: string): string {
  let folder = path.resolve(images);
  while (!files.exists(folder) && folder !== '/') folder = path.dirname(folder);
  return files.realPath(folder);
}
