import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { groupBy } from '../../base/group-by.js';
import type { Extent, Host } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, countToJson, showBytes } from '../../base/units.js';
import { hasGiven, takersOf } from '../../chain/given.js';
import { isPacked, packedGhosts } from '../../chain/packed.js';
import { showLeftOut } from '../../flows/choose/left-out.js';
import { countGhosts, countUnchecked } from '../../image/count-ghosts.js';
import { readManifest } from '../../image/manifest.js';
import { parse } from '../args.js';
import { makeContext } from '../context.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { beginJson, printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { printAll } from '../print/output.js';
import { showHolders } from '../print/show-scan.js';
import { table } from '../print/table.js';

export async function showCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'show',
    args,
    {
      ...imagesDirOption,
      extents: { type: 'boolean' },
      verbose: { type: 'boolean', short: 'v' },
      json: { type: 'boolean' },
    },
    'any',
  );
  const { values } = parsed;
  const images = imagesDir('show', parsed);
  const { host } = makeContext();
  const manifest = readManifest(host.files, images);
  if (values.json) {
    if (values.extents) writeWithExtents(host, images, manifest);
    else printJson(manifest);
    return 0;
  }
  printAll(showDump(manifest, values.verbose, host.files.realPath(images)));
  if (!values.extents) return 0;
  for (const ghost of manifest.ghosts) {
    process.stdout.write(`\n${line(`${ghost.image}  ${ghost.path}`)}`);
    if (isPacked(ghost)) {
      process.stdout.write(line('  it is packed: a copy by `ghostkeep materialize --to` has its ranges'));
      continue;
    }
    for (const { offset, length } of extentsOf(host, `${images}/${ghost.image}`))
      process.stdout.write(`  [${offset}, ${offset + length})  ${showBytes(length)}\n`);
  }
  return 0;
}

/** Writes JSON while the image is read: an image may have more ranges than memory should hold. */
function writeWithExtents(host: Host, images: string, manifest: Manifest): void {
  const { ghosts, ...rest } = manifest;
  beginJson();
  writeList({ ...rest, ghosts: [] }, ghosts, ghost =>
    writeList(
      { ...ghost, extents: [] },
      isPacked(ghost) ? [] : extentsOf(host, `${images}/${ghost.image}`),
      extent => process.stdout.write(JSON.stringify(toRange(extent))),
    ),
  );
  process.stdout.write('\n');
}

/** Writes VALUE, whose last member is an empty list, with ITEMS in that list. */
function writeList<T>(value: object, items: Iterable<T>, write: (item: T) => void): void {
  process.stdout.write(JSON.stringify(value, null, 2).slice(0, -']\n}'.length));
  let separator = '\n';
  for (const item of items) {
    process.stdout.write(separator);
    write(item);
    separator = ',\n';
  }
  process.stdout.write(']\n}');
}

/** The ranges of data in an image. */
function* extentsOf({ files, engine }: Host, path: string): Generator<Extent> {
  const fd = files.open(path);
  try {
    yield* engine.chunks(fd);
  } finally {
    files.close(fd);
  }
}

const toRange = ({ offset, length }: Extent) => ({
  offset: countToJson(offset),
  length: countToJson(length),
});

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
  const { preserveAllocation, leftOut = [], leftOutMore } = manifest;
  for (const text of showLeftOut(leftOut)) yield line(`not in the dump: ${text}`);
  if (leftOutMore) yield `${leftOutMore} more are not in the dump\n`;
  yield line(`${countGhosts(manifest)}${preserveAllocation ? '; allocated space comes back' : ''}`);
}

/** `checkpoint of container mydb by CRIU, sealed 2026-11-30T04:49:37.005Z by ghostkeep 0.2.0, no checksums` */
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

/** @param where the directory, from which the paths of those who got something are told */
function* showPacked(manifest: Manifest, where: string): Generator<string> {
  for (const ghost of packedGhosts(manifest)) {
    const { id, layer } = ghost;
    const [here, above] = [layer.dataBytes, layer.parentBytes].map(count => showBytes(countFromJson(count)));
    yield line(
      `${showId(id)} is packed: ${here} here, ${above} in ${layer.parent ? manifest.parent?.path : 'no parent'}`,
    );
    if (!hasGiven(ghost)) continue;
    const [size, below] = [countFromJson(ghost.size), countFromJson(layer.moved?.below ?? 0) * 65536n];
    const what = [
      ...(layer.given ? [`${showBytes(countFromJson(layer.given.bytes))} of its data`] : []),
      ...(layer.moved ? [`the first ${showBytes(below < size ? below : size)} of the file`] : []),
    ];
    yield line(
      `${showId(id)} gave up ${what.join(' and ')} to ${takersOf(ghost, where).join(', ')}: it cannot be restored from here`,
    );
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
