/**
 * `ghostkeep pre-dump`: rounds by themselves, before a container engine pauses the container and calls CRIU.
 */
import type { RoundGhost as GhostRecord, PreDump } from '../../base/documents/generated/pre-dump.js';
import { pathToText } from '../../base/text/path-bytes.js';
import { countToJson, showDev } from '../../base/units.js';
import { pathOf } from '../../ghost/ghost.js';
import type { PolicyDocument } from '../../oci/policy.js';
import { removeEnded } from '../bases/leftover-bases.js';
import { policyOf } from '../container/policy.js';
import type { Context } from '../context.js';
import { type Selection, selectPids } from '../scan/select.js';
import { chooseDirectory } from './image-place.js';
import { type Round, type RoundGhost, runRound, type Unfinished } from './round.js';

/**
 * If less differs than this, another round would gain nothing: so much is written in a millisecond or two.
 */
const settledBytes = 4n << 20n;

export interface PreDumpRequest {
  selection: Selection;
  /** The directory for the bases. Without it, they go where the container's engine will put the images. */
  images?: string | undefined;
  /** The most rounds. They are repeated while each finds less that differs than the one before. */
  rounds: number;
  /** Settings of the caller, on top of the policies of the host and the container. */
  wishes?: PolicyDocument;
  /** See runRound. */
  onBegin?: (works: readonly Unfinished[]) => void;
}

/** @throws NOT_FOUND, NO_IMAGE_PLACE and those of runRound */
export async function preDump(
  context: Context,
  { selection, images, rounds, wishes = {}, onBegin }: PreDumpRequest,
): Promise<PreDump> {
  const { host } = context;
  const { container } = selection;
  const found = selectPids(host, selection);
  const [first = 0] = found;
  removeEnded(context);
  const asked = images ?? chooseDirectory(context, found, container);
  host.files.makeDirectory(asked, 0o700);
  const where = host.files.realPath(asked);
  const { policy } = policyOf(context, first, wishes);
  if (!policy.enabled) context.log.warn('nothing is copied: the policy says `enabled: false`');
  const made: Round[] = [];
  do {
    const pids = policy.enabled ? selectPids(host, selection) : [];
    const named = container === undefined ? {} : { container };
    made.push(await runRound(context, { images: where, pids, policy, criu: false, ...named }, onBegin));
  } while (made.length < rounds && pays(made));
  return toRecord(where, container, made);
}

/**
 * True if another round is worth it: the last one found much that differed, and less than the one before it.
 * The first round copies everything, so only the second shows how much the processes change.
 */
export function pays(rounds: readonly Round[]): boolean {
  const [last, before] = [rounds.at(-1), rounds.at(-2)].map(round => round && sumOf(round, 'differed'));
  return last !== undefined && last >= settledBytes && (before === undefined || last < before);
}

const sumOf = ({ ghosts }: Round, field: 'bytes' | 'differed') =>
  ghosts.reduce((sum, ghost) => sum + ghost[field], 0n);

export function toRecord(images: string, container: string | undefined, rounds: readonly Round[]): PreDump {
  const last = rounds.at(-1) as Round;
  return {
    images,
    ...(container === undefined ? {} : { container }),
    rounds: rounds.map(round => ({
      bytes: countToJson(sumOf(round, 'bytes')),
      differed: countToJson(sumOf(round, 'differed')),
      ms: round.ms,
    })),
    ghosts: last.ghosts.map(describe),
    freeze: { estimateMs: last.ms, measured: last.compared ? 'comparing' : 'copying' },
  };
}

function describe({ ghost, done, bytes, differed, why }: RoundGhost): GhostRecord {
  const { stat } = ghost;
  return {
    ...pathToText(pathOf(ghost)),
    dev: showDev(stat.dev),
    ino: countToJson(stat.ino),
    size: countToJson(stat.size),
    done,
    bytes: countToJson(bytes),
    differed: countToJson(differed),
    ...(why === undefined ? {} : { why }),
  };
}
