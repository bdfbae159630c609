/** `ghostkeep pre-dump --to` and `--via`: rounds whose copies are made on another host. */
import type { PreDump } from '../../base/documents/generated/pre-dump.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { identityOf } from '../../image/layout.js';
import type { Policy, PolicyDocument } from '../../oci/policy.js';
import { type PinnedGhost, pinSome, unpinGhosts } from '../choose/pin.js';
import { policyOf } from '../container/policy.js';
import type { Context } from '../context.js';
import { ghostsForRound, isLarge, whyForbidden } from '../rounds/copy-running.js';
import { pays, toRecord } from '../rounds/pre-dump.js';
import { passedOver, type Round, type RoundGhost } from '../rounds/round.js';
import { type Selection, selectPids } from '../scan/select.js';
import { dataAtMost, searchGhosts } from '../steps.js';
import { Mover, patienceMs, type SendGhost } from './mover.js';
import type { Target } from './target.js';

/**
 * How long a round tries to connect again after a connection was lost. No process is frozen meanwhile, but
 * somebody may wait for the command.
 */
const resumeMs = 60_000;

export interface PreDumpTo {
  selection: Selection;
  target: Target;
  rounds: number;
  wishes?: PolicyDocument;
}

/** @throws NOT_FOUND, MOVE_LOST, MOVE_REFUSED */
export async function preDumpTo(context: Context, request: PreDumpTo): Promise<PreDump> {
  const { selection, target, rounds, wishes = {} } = request;
  const { host, log } = context;
  const [first = 0] = selectPids(host, selection);
  const { policy } = policyOf(context, first, wishes);
  if (!policy.enabled) log.warn('nothing is sent: the policy says `enabled: false`');
  const mover = new Mover(context, target, 'round', { resumeMs, patienceMs });
  const made: Round[] = [];
  try {
    await mover.connect();
    do {
      const pids = policy.enabled ? selectPids(host, selection) : [];
      made.push(await sendRound(context, mover, pids, policy));
    } while (made.length < rounds && pays(made));
    await mover.end();
  } finally {
    await mover.close();
  }
  return toRecord(target.shown, selection.container, made);
}

/**
 * Sends the large ghosts of PIDS while their processes run. A ghost that cannot be sent is passed over, and
 * the dump sends it.
 * @param mover is connected
 * @throws MOVE_LOST, MOVE_REFUSED
 */
export async function sendRound(
  context: Context,
  mover: Mover,
  pids: readonly number[],
  policy: Policy,
): Promise<Round> {
  const { processes, clock } = context.host;
  const ghosts = ghostsForRound(searchGhosts(context, pids, { named: true }), policy);
  const why = whyForbidden(ghosts, policy);
  const pinned = why === undefined ? pinSome(processes, ghosts.filter(isLarge)) : [];
  try {
    const start = clock();
    const results = pinned.map((): Partial<RoundGhost> => ({}));
    await mover.sendAll(
      { count: pinned.length, bytes: () => dataAtMost(pinned), isRound: true },
      async (send, index) => {
        results[index] = await sendRunning(context, send, pinned[index] as PinnedGhost, policy);
      },
      () => pinned.filter((_, index) => results[index]?.done === 'sent').map(({ stat }) => identityOf(stat)),
    );
    const ms = Math.round(clock() - start);
    const seen = new Map(pinned.map(({ ghost }, index) => [ghost, results[index]]));
    return {
      ghosts: ghosts.map(ghost => ({
        ...passedOver(ghost),
        ...(why === undefined ? {} : { why }),
        ...withoutWhy(seen.get(ghost)),
      })),
      ms,
      compared: results.every(({ done, bytes = 0n, differed = 0n }) => done !== 'sent' || differed < bytes),
    };
  } finally {
    unpinGhosts(processes, pinned);
  }
}

/** Removes `why` from the result of a ghost that was sent: it is the reason why a ghost was not. */
function withoutWhy(result: Partial<RoundGhost> | undefined): Partial<RoundGhost> {
  return result?.done === 'sent' ? { why: undefined as never, ...result } : { ...result };
}

/** How often a ghost is sent that becomes shorter meanwhile. */
const attempts = 3;

async function sendRunning(
  context: Context,
  send: SendGhost,
  { fd }: PinnedGhost,
  { engine }: Policy,
): Promise<Partial<RoundGhost>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const stat = context.host.processes.statPin(fd);
      const { dataBytes, differingBytes } = await send(fd, stat.size, identityOf(stat), engine);
      return { done: 'sent', bytes: dataBytes, differed: differingBytes };
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || error instanceof GhostkeepError) throw error;
      if (errno !== 'ESTALE' || attempt === attempts) return { why: reasonOf(error) };
    }
  }
}
