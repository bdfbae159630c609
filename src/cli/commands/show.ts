import type { Manifest } from '../../base/documents/generated/manifest.js';
import type { Extent, Host } from '../../base/host/host.js';
import type { Progress } from '../../base/progress.js';
import { countToJson, showBytes } from '../../base/units.js';
import { isPacked } from '../../chain/packed.js';
import type { Context } from '../../flows/context.js';
import { type Dump, openDump } from '../../flows/look/open-dump.js';
import { pageData } from '../../flows/look/page-data.js';
import { writeDocument } from '../../flows/look/write-document.js';
import { archives } from '../../host/archive/read-archive.js';
import { isMoved } from '../../image/manifest.js';
import { parse, usage } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { beginJson, printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { printAll } from '../print/output.js';
import { showDump } from '../print/show-dump.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function showCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'show',
    args,
    {
      ...imagesDirOption,
      extents: { type: 'boolean' },
      html: { type: 'string' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const context = contextWithProgress(values);
  const dump = await openDump(context, archives, imagesDir('show', parsed));
  const { images } = dump;
  const { host, progress } = dump.context;
  const manifest = dump.manifest();
  if (values.html !== undefined) {
    if (values.json || values.extents) throw usage('show', '--html is given alone');
    await writePage(context, dump, values.html);
    return 0;
  }
  if (values.json) {
    if (values.extents) writeWithExtents(dump, manifest);
    else printJson(manifest);
    return 0;
  }
  printAll(showDump(manifest, { verbose: values.verbose, where: host.files.realPath(images) }));
  if (!values.extents) return 0;
  beginExtents(progress, manifest);
  for (const ghost of manifest.ghosts) {
    progress?.did();
    process.stdout.write(`\n${line(`${ghost.image}  ${ghost.path}`)}`);
    if (isPacked(ghost)) {
      process.stdout.write(line('  it is packed: a copy by `ghostkeep materialize --to` has its ranges'));
      continue;
    }
    if (isMoved(ghost)) {
      process.stdout.write(line('  its content is on another host'));
      continue;
    }
    for (const { offset, length } of extentsOf(host, `${images}/${ghost.image}`))
      process.stdout.write(`  [${offset}, ${offset + length})  ${showBytes(length)}\n`);
  }
  return 0;
}

/**
 * Writes the page. It has what `show --verbose` prints, a bar for each ghost that shows where it has data,
 * CRIU's times and our log.
 */
async function writePage(context: Context, dump: Dump, file: string): Promise<void> {
  const { makePage } = await import('../page/make-page.js');
  writeDocument(context, file, makePage(pageData(dump)), 0o666 & ~process.umask());
  process.stdout.write(line(`${file} is written: open it in a browser`));
}

/** Writes JSON while the image is read: an image may have more ranges than memory should hold. */
function writeWithExtents({ context, images }: Dump, manifest: Manifest): void {
  const { host, progress } = context;
  const { ghosts, ...rest } = manifest;
  beginJson();
  beginExtents(progress, manifest);
  writeList({ ...rest, ghosts: [] }, ghosts, ghost => {
    progress?.did();
    writeList(
      { ...ghost, extents: [] },
      isPacked(ghost) || isMoved(ghost) ? [] : extentsOf(host, `${images}/${ghost.image}`),
      extent => process.stdout.write(JSON.stringify(toRange(extent))),
    );
  });
  process.stdout.write('\n');
}

function beginExtents(progress: Progress | undefined, { ghosts }: Manifest): void {
  progress?.begin({ what: 'reading ranges', item: 'ghost', items: ghosts.length });
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
