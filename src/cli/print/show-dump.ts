/** Prints a dump for people. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { groupBy } from '../../base/group-by.js';
import { showId } from '../../base/text/ghost-id.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { packedGhosts } from '../../chain/packed.js';
import { showLeftOut } from '../../flows/choose/left-out.js';
import { criuAlone } from '../../flows/look/criu-alone.js';
import { givenInWords, packedInWords } from '../../flows/look/in-words.js';
import { countGhosts, countUnchecked } from '../../image/count-ghosts.js';
import { whereMoved } from '../../image/manifest.js';
import { line } from './line.js';
import { showHolders } from './show-scan.js';
import { table } from './table.js';

/**
 * @param verbose adds how each ghost was copied, and why so
 * @param where the directory of the dump
 */
export function* showDump(manifest: Manifest, verbose = false, where = ''): Generator<string> {
  yield line(inWords(manifest));
  yield* table(
    [
      'id',
      'size',
      'data',
      'file',
      ...(verbose ? ['chunks', 'engine', 'copied by', 'class'] : []),
      'holder',
      'path',
    ],
    manifest.ghosts.map(ghost => rowOf(ghost, verbose)),
  );
  if (verbose) yield* showWhy(manifest);
  yield* showPacked(manifest, where);
  const moved = whereMoved(manifest);
  if (moved !== undefined) yield line(moved);
  const { preserveAllocation, leftOut = [], leftOutMore } = manifest;
  for (const text of showLeftOut(leftOut)) yield line(`not in the dump: ${text}`);
  if (leftOutMore) yield `${leftOutMore} more are not in the dump\n`;
  yield line(`${countGhosts(manifest)}${preserveAllocation ? '; allocated space comes back' : ''}`);
}

/**
 * `checkpoint of container mydb by CRIU, sealed 2026-11-30T04:49:37.005Z by ghostkeep 0.2.0, no checksums`
 */
function inWords(manifest: Manifest): string {
  const { container, criu, state, created, tool, ghosts } = manifest;
  const of = container === undefined ? '' : ` of container ${container}`;
  const unchecked = countUnchecked(manifest);
  const checksums =
    ghosts.length === 0
      ? []
      : unchecked === ghosts.length
        ? ['no checksums']
        : [
            unchecked === 0
              ? 'with checksums'
              : `checksums for ${ghosts.length - unchecked} of ${ghosts.length}`,
          ];
  if (tool === criuAlone) return `checkpoint by CRIU alone, written ${created}, no checksums`;
  const what = criu ? `checkpoint${of} by CRIU` : `dump${of} without CRIU`;
  return [what, `${state} ${created} by ${tool}`, ...checksums].join(', ');
}

function rowOf(
  { id, size, data, image, holders, path, class: kind }: ManifestGhost,
  verbose: boolean,
): string[] {
  const how = [
    data ? String(data.chunks) : '',
    data ? `${data.engine}${data.fallbacks > 0 ? ' (fell back)' : ''}` : 'criu',
    data?.ways.join('+') ?? '',
    kind,
  ];
  return [
    showId(id),
    showBytes(countFromJson(size)),
    data ? showBytes(countFromJson(data.bytes)) : '',
    image,
    ...(verbose ? how : []),
    showHolders(holders, 1),
    path,
  ];
}

function* showPacked(manifest: Manifest, where: string): Generator<string> {
  for (const ghost of packedGhosts(manifest)) {
    const id = showId(ghost.id);
    yield line(`${id} is ${packedInWords(ghost, manifest)}`);
    const given = givenInWords(ghost, where);
    if (given !== undefined) yield line(`${id} ${given}`);
  }
}

/**
 * Says why each engine was chosen, in one line for each reason, because many ghosts lie on one file system.
 */
function* showWhy({ ghosts }: Manifest): Generator<string> {
  const reasons = groupBy(
    ghosts,
    ({ data }) => (data?.why ? `${data.engine}: ${data.why}` : undefined),
    ({ id }) => showId(id),
  );
  for (const [reason, ids] of reasons) yield line(`${showSome(ids)} by ${reason}`);
}
