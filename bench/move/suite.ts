/** Ghosts go to another directory, as to another host: the time frozen, and the rate of bytes in a pipe. */
import { Budget } from '../budget.js';
import { findCriu } from '../machine/criu.js';
import type { Suite, SuiteContext } from '../suite.js';
import { type FrozenRequest, frozenRow } from './frozen.js';
import { throughputRow } from './throughput.js';

const cases = [
  { name: 'unchanged', every: 0 },
  { name: '1-percent-changed', every: 100 },
  { name: 'all-changed', every: 1 },
];
/** On a busy machine there is no time for the last ones. */
const places = [
  { way: 'pipe', on: 'tmpfs' },
  { way: '1gbit', on: 'tmpfs' },
  { way: 'unix', on: 'tmpfs' },
  { way: 'pipe', on: 'ext4' },
] as const;

export const moveSuite: Suite = {
  name: 'move',
  summary: 'ghosts go to another host: the changes by the gate; CRIU alone, and its images by rsync and cp',
  needsFilesystems: true,
  async *run(context) {
    const tmpfs = context.wants('throughput')
      ? context.filesystems.filter(({ name }) => name === 'tmpfs')
      : [];
    const cells = cellsOf(context);
    const criu = cells.length > 0 ? findCriu(context.scratch) : undefined;
    const budget = new Budget(context.budgetMs, cells.length + tmpfs.length);
    for (const filesystem of tmpfs) {
      const until = budget.next('throughput');
      if (until !== undefined) yield await throughputRow(context, filesystem, until);
    }
    for (const each of criu ? cells : []) {
      const name = `${each.name}, ${each.way}, ${each.filesystem.name}`;
      const until = budget.next(name);
      if (until === undefined) continue;
      context.say(name);
      const row = criu && (await frozenRow(context, criu, each, until));
      if (row) yield row;
    }
  },
};

function cellsOf({ filesystems, wants }: SuiteContext): FrozenRequest[] {
  return places.flatMap(({ way, on }) =>
    filesystems
      .filter(({ name }) => name === on)
      .flatMap(filesystem =>
        cases.filter(({ name }) => wants(name) || wants(way)).map(each => ({ ...each, way, filesystem })),
      ),
  );
}
