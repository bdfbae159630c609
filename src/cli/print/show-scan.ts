/** Prints a scan for people. */
import type { HolderRecord } from '../../base/documents/generated/ghost.js';
import type { Scan, Unseen } from '../../base/documents/generated/scan.js';
import { groupBy } from '../../base/group-by.js';
import { counted } from '../../base/text/counted.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { showLeftOut } from '../../flows/choose/left-out.js';
import { whoMayLook } from '../../flows/scan/named.js';
import { type Column, fit, wrap } from './fit.js';
import { line } from './line.js';
import { table } from './table.js';

export interface ScanPrint {
  /** Characters of a line of the terminal; undefined where the lines go into a pipe or file. */
  width?: number | undefined;
  /** The scan was made by root. */
  asRoot?: boolean;
  /** The gate was found where CRIU looks for it. */
  hasGate?: boolean;
  /** Containers in the table of totals; default: all. */
  mostContainers?: number | undefined;
}

/** A ghost may have hundreds of holders. `--json` has all of them. */
const mostHolders = 3;
/** On a terminal that is narrower than this, one holder has to be enough. */
const roomForAll = 140;

/** On a narrow terminal, the columns that stay are those that lead to the process and its disk. */
const columns: Column[] = [
  { name: 'allocated' },
  { name: 'size', drop: 'last' },
  { name: 'container', least: 12 },
  { name: 'command', least: 8 },
  { name: 'holder in /proc', least: 18 },
  { name: 'kept by', drop: 'last' },
  { name: 'class', drop: 'first' },
  { name: 'dev/ino', drop: 'first' },
  { name: 'path' },
];

export function showScan(
  scan: Scan,
  { width, asRoot = true, hasGate = true, mostContainers }: ScanPrint = {},
): string {
  const { ghosts, unseen } = scan;
  const inWidth = (lines: Iterable<string>) => [...lines].map(each => wrap('', each.trimEnd(), width));
  const rows = rowsOf(scan, width !== undefined && width < roomForAll ? 1 : mostHolders);
  const hasContainers = (scan.containers ?? []).length > 0;
  const shown = columns.filter(({ name }) => name !== 'container' || hasContainers);
  const { head, rows: fitted } =
    width === undefined ? { head: shown.map(({ name }) => name), rows } : fit(shown, rows, width);
  return [
    ...(rows.length > 0 ? table(head, fitted) : []),
    ...inWidth(showWhy(ghosts)),
    ...inWidth(showLeftOut(unseen.filter(each => each.inside)).map(line)),
    ...showHolding(scan, mostContainers),
    ...inWidth([showTotal(scan)]),
    ...inWidth(hasGate ? [] : showNoGate(scan)),
    ...inWidth(showUnseen(scan, asRoot)),
  ].join('');
}

function rowsOf({ ghosts, processes = [], containers = [] }: Scan, mostLinks: number): string[][] {
  const byPid = new Map(processes.map(each => [each.pid, each]));
  const names = new Map(containers.map(({ id, name }) => [id, name ?? shortId(id)]));
  const hasContainers = containers.length > 0;
  return ghosts.map(ghost => {
    const holding = [...new Set(ghost.holders.map(({ pid }) => pid))].map(pid => byPid.get(pid));
    return [
      showBytes(countFromJson(ghost.allocated)),
      showBytes(countFromJson(ghost.size)),
      ...(hasContainers ? [firstOf(holding.map(each => names.get(each?.container ?? '')))] : []),
      firstOf(holding.map(each => each?.command)),
      showHolders(ghost.holders, mostLinks),
      ghost.keep,
      ghost.class,
      `${ghost.dev}/${ghost.ino}`,
      ghost.path,
    ];
  });
}

/** The first of the names, and how many others there are. */
function firstOf(names: readonly (string | undefined)[]): string {
  const [first, ...others] = new Set(names.filter(name => name !== undefined && name !== ''));
  return others.length === 0 ? (first ?? '') : `${first} +${others.length}`;
}

/**
 * Shows holders as links below /proc. `812/fd/5` is such a link: `: > /proc/812/fd/5` empties the file. A
 * mapping is shown without its address, because it has no number.
 */
export function showHolders(holders: readonly HolderRecord[], most: number): string {
  const links = [...new Set(holders.map(({ pid, via, fd }) => `${pid}/${via === 'fd' ? `fd/${fd}` : via}`))];
  const more = links.length - most;
  return `${links.slice(0, most).join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Engines show this many digits of an id. */
function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}

function* showHolding(scan: Scan, mostContainers?: number): Generator<string> {
  const tables = [...showContainers(scan, mostContainers), ...showProcesses(scan)];
  yield* tables;
  if (tables.length > 0) yield '\n';
}

function* showContainers({ containers = [] }: Scan, most = containers.length): Generator<string> {
  if (containers.length === 0) return;
  yield '\n';
  const rows = containers
    .slice(0, most)
    .map(({ id, name, ghosts, allocated }) => [
      showBytes(countFromJson(allocated)),
      String(ghosts),
      id,
      name ?? '',
    ]);
  yield* table(
    ['allocated', 'ghosts', 'container', 'name'],
    rows.map(([bytes = '', count = '', id = '', name = '']) => [bytes, count, shortId(id), name]),
  );
  const more = containers.length - most;
  if (more > 0) yield line(`and ${counted(more, 'container')} more; --json has all`);
}

/** Only the largest are shown, because more would only repeat the table of ghosts. `--json` has all. */
const mostProcesses = 5;

/** One process holds what the total says, so only several are compared. */
function* showProcesses({ processes = [] }: Scan): Generator<string> {
  if (processes.length < 2) return;
  yield '\n';
  yield* table(
    ['allocated', 'ghosts', 'pid', 'command'],
    processes
      .slice(0, mostProcesses)
      .map(({ allocated, ghosts, pid, command }) => [
        showBytes(countFromJson(allocated)),
        String(ghosts),
        String(pid),
        command,
      ]),
  );
  const more = processes.length - mostProcesses;
  if (more > 0) yield line(`and ${counted(more, 'process', 'processes')} more; --json has all`);
}

function showTotal({ ghosts, filtered }: Scan): string {
  const total = ghosts.reduce((sum, ghost) => sum + countFromJson(ghost.allocated), 0n);
  const others = filtered
    ? `; ${counted(filtered.ghosts, 'ghost')} more with ${showBytes(countFromJson(filtered.allocated))} not shown`
    : '';
  return `${counted(ghosts.length, 'ghost')}, ${showBytes(total)} allocated${others}\n`;
}

/**
 * Says that this host has no gate, if the column `kept by` names ghostkeep: a host that nobody has prepared
 * for checkpoints has none.
 */
function* showNoGate({ ghosts }: Scan): Generator<string> {
  if (ghosts.some(({ keep }) => keep === 'ghostkeep'))
    yield line(
      'no gate of ghostkeep was found on this host: `kept by ghostkeep` needs it in CRIU, or `ghostkeep checkpoint` around the runtime; see `ghostkeep doctor`',
    );
}

/** Lists the processes that we could not look at, because they may hold ghosts. */
function* showUnseen({ unseen, hidden }: Scan, asRoot: boolean): Generator<string> {
  const wayOut = asRoot ? whoMayLook : 'run it as root to see them';
  if (hidden !== undefined)
    yield line(`processes of other users are hidden, because /proc is mounted with ${hidden}; ${wayOut}`);
  // A process that has ended holds nothing any more.
  const outside = unseen.filter(({ inside, what }) => !inside && what !== 'process');
  const refused = outside.filter(isRefused);
  if (refused.length > 0) {
    const pids = [...new Set(refused.map(({ pid }) => pid))];
    yield line(
      `not looked at, because permission is denied: ${counted(pids.length, 'process', 'processes')} (${showSome(pids)}); ${wayOut}`,
    );
  }
  const others = groupBy(
    outside.filter(each => !isRefused(each)),
    ({ what, why }) => `${what.replace(/ .*/, '')}: ${why.replace(/,? '\/proc\/.*/, '')}`,
    ({ pid }) => pid,
  );
  for (const [why, pids] of others)
    yield line(`not looked at: process ${showSome([...new Set(pids)])}: ${why}`);
}

const isRefused = ({ why }: Unseen) =>
  /\b(EACCES|EPERM)\b|: (Permission denied|Operation not permitted)/.test(why);

/**
 * Says why ghostkeep does not copy some ghosts, in one line for each reason, because a container may have
 * hundreds of memfds. A user whose checkpoint is refused needs the path and the process, because that file
 * has to go.
 */
function* showWhy(ghosts: Scan['ghosts']): Generator<string> {
  const left = groupBy(
    ghosts,
    ({ keep, why }) => (keep === 'criu' ? why : undefined),
    ({ dev, ino }) => `${dev}/${ino}`,
  );
  for (const [why, which] of left) yield line(`${showSome(which)} left to CRIU: ${why}`);
  const refused = groupBy(
    ghosts,
    ({ keep, why }) => (keep === 'no' ? why : undefined),
    ({ path, holders: [first] }) => `${path}${first ? ` (process ${first.pid})` : ''}`,
  );
  for (const [why, which] of refused) yield line(`a checkpoint is refused: ${showSome(which)}: ${why}`);
}
