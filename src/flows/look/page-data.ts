/** The content of the page of `show --html`. Every text in it may come from a container or another host. */
import { bounds } from '../../base/bounds.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { showId } from '../../base/text/ghost-id.js';
import { toPrintable } from '../../base/text/printable.js';
import { isPacked } from '../../chain/packed.js';
import { type DumpTimes, dumpTimes } from '../../criu/stats.js';
import { isMoved } from '../../image/manifest.js';
import { useInWords } from './in-words.js';
import type { Dump } from './open-dump.js';
import { type Content, contentOf } from './page-content.js';

export interface PageData {
  title: string;
  where: string;
  tool: string;
  created: string;
  byCriu: boolean;
  /** Says whether the checkpoint can be used as it lies here. */
  use: { text: string; isWarning: boolean };
  parent: string | undefined;
  archive: string | undefined;
  ghosts: PageGhost[];
  leftOut: { what: string; path: string; why: string; size: number | undefined }[];
  leftOutMore: number;
  times: DumpTimes | undefined;
  log: { time: string; level: string; message: string }[];
  logMore: number;
}

export interface PageGhost extends Content {
  /** The id as people see it: `0xa`. */
  id: string;
  number: number;
  /** The names of the files here that have its content. */
  image: string;
  path: string;
  class: string;
  filesystem: string;
  /** Bytes. Above 2^53 the last digits are lost. */
  size: number;
  holders: string[];
  holdersMore: number;
  processes: number[];
  owner: string;
  mode: string;
  modified: string;
  accessed: string;
  inode: string;
  how: string | undefined;
  why: string | undefined;
  digest: string | undefined;
  kept: number | undefined;
}

const mostHolders = 40;
const mostLog = 500;

/** Reads only the ranges of every image, and none of the ghosts' content. */
export function pageData(dump: Dump): PageData {
  const manifest = dump.manifest();
  const { tool, created, criu, container, parent, leftOut = [], leftOutMore = 0 } = manifest;
  const what = criu ? 'Checkpoint' : 'Dump';
  const use = useInWords(manifest, dump.where);
  const { progress } = dump.context;
  progress?.begin({ what: 'looking where data lies', item: 'ghost', items: manifest.ghosts.length });
  return {
    title: toPrintable(container === undefined ? what : `${what} of container ${container}`),
    where: toPrintable(dump.where),
    tool: toPrintable(tool),
    created: toPrintable(created),
    byCriu: criu ?? false,
    use: { text: toPrintable(use.text), isWarning: use.isWarning },
    parent: parent && toPrintable(parent.path),
    archive: dump.archive,
    ghosts: manifest.ghosts.map(ghost => {
      progress?.did();
      return describe(dump, manifest, ghost);
    }),
    leftOut: leftOut.map(({ pid, what, path = '', why, size }) => ({
      what: toPrintable(`${what} of process ${pid}`),
      path: toPrintable(path),
      why: toPrintable(why),
      size: size === undefined ? undefined : Number(size),
    })),
    leftOutMore,
    times: timesOf(dump),
    ...logOf(dump),
  };
}

function describe(dump: Dump, manifest: Manifest, ghost: ManifestGhost): PageGhost {
  const { id, image, path, filesystem, size, holders, uid, gid, mode, mtime, atime, dev, ino, data } = ghost;
  const links = [...new Set(holders.map(({ pid, via, fd }) => `${pid}/${via === 'fd' ? `fd/${fd}` : via}`))];
  const gaveUp = data && data.fallbacks > 0 ? `, gave up ${data.fallbacks} times before` : '';
  return {
    id: showId(id),
    number: id,
    image: toPrintable(
      isPacked(ghost) ? `${ghost.layer.map}, ${ghost.layer.data}` : isMoved(ghost) ? '' : image,
    ),
    path: toPrintable(path),
    class: ghost.class,
    filesystem: toPrintable(filesystem),
    size: Number(size),
    ...contentOf(dump, manifest, ghost),
    holders: links.slice(0, mostHolders),
    holdersMore: Math.max(0, links.length - mostHolders),
    processes: [...new Set(holders.map(({ pid }) => pid))].slice(0, mostHolders),
    owner: `${uid}:${gid}`,
    mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    modified: mtime,
    accessed: atime,
    inode: `${dev}/${ino}`,
    how:
      data &&
      `${data.ways.join(' + ') || (isMoved(ghost) ? 'sending' : 'nothing to copy')}; data found by ${data.engine}${gaveUp}`,
    why: data?.why && toPrintable(data.why),
    digest: data?.digest,
    kept: data?.kept === undefined ? undefined : Number(data.kept),
  };
}

function timesOf({ context, images, stats }: Dump): DumpTimes | undefined {
  try {
    const found = stats ?? context.host.files.readIfThere(`${images}/stats-dump`, bounds.inventory);
    return found && dumpTimes(found);
  } catch {
    // The times are for information only.
    return undefined;
  }
}

function logOf({ context, images }: Dump): Pick<PageData, 'log' | 'logMore'> {
  try {
    const text =
      context.host.files.readIfThere(`${images}/ghostkeep.log`, bounds.log)?.toString('utf8') ?? '';
    const lines = text.split('\n').filter(each => each !== '');
    const log = lines.slice(-mostLog).map(toEntry);
    return { log, logMore: lines.length - log.length };
  } catch {
    return { log: [], logMore: 0 };
  }
}

function toEntry(text: string): PageData['log'][number] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  const { timestamp, level, message } = (parsed ?? { message: text }) as Record<string, unknown>;
  const show = (value: unknown) => (typeof value === 'string' ? toPrintable(value.slice(0, 4000)) : '');
  return { time: show(timestamp), level: show(level), message: show(message) };
}
