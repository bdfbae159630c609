// The tables of what ghostkeep costs, made from the last full runs of `ghostkeep bench`.
import { readFileSync } from 'node:fs';
import { table } from './table.mjs';

const resultOf = suite =>
  JSON.parse(readFileSync(new URL(`../bench/results/${suite}.json`, import.meta.url), 'utf8'));
const rowsOf = suite => resultOf(suite).rows;

/*
 * The rows of the last full run of `ghostkeep bench` that the pages show, and the names that they have there.
 */
const shown = [
  ['start', /^no-ghost (total|frozen)$/, /./, 'nothing to keep'],
  ['start', /^one-16k (total|frozen)$/, /./, 'one file of 16 KiB'],
  ['start', /^restore one-16k$/, /./, 'restore of one file of 16 KiB'],
  ['start', /^hook (prestart)$/, /^/, 'a hook of a container with annotations of ours'],
  ['start', /^scan --pid, 1x100$/, /^/, '`scan --pid` of a process with 100 descriptors'],
  ['start', /^scan --all, 100x1000$/, /^/, '`scan --all` of 100 processes with 1,000 each'],
  ['dump', /^dense-1024m (frozen|total)$/, /ext4|xfs/, 'one file of 1 GiB'],
  ['dump', /^hole-1024m-8k (frozen)$/, /ext4/, 'a hole of 1 GiB with 8 KiB of data'],
  ['dump', /^1000x16k (frozen|total)$/, /ext4/, '1,000 files of 16 KiB'],
  ['dump', /^100x64m (frozen|total)$/, /ext4/, '100 files of 64 MiB'],
  ['hooks', /^runc run, unconcerned$/, /^/, '`runc run` of a container without annotations of ours'],
];

/** Times in ms, for README. */
export function costs() {
  const rows = shown.flatMap(([suite, name, filesystem, what]) =>
    rowsOf(suite)
      .filter(row => name.test(row.case) && filesystem.test(row.filesystem) && row.state !== 'dirty')
      .map(row => [
        [what, name.exec(row.case)[1]].filter(Boolean).join(', '),
        row.filesystem,
        milliseconds(row.ours.ms),
        Object.entries(row.peers)
          .map(([peer, { ms }]) => `${peer} ${milliseconds(ms)}`)
          .join('; '),
      ]),
  );
  return `${table(['what', 'file system', 'ghostkeep', 'beside it'], rows)}\n\n${machines(shown.map(([suite]) => suite))}`;
}

function machines(suites) {
  return `The suites ran on these machines: ${[...new Set(suites)].map(machineOf).join('; ')}.`;
}

function machineOf(suite) {
  const { date, cores, processor, kernel } = resultOf(suite).machine;
  return `\`${suite}\` on ${cores} × ${processor}, Linux ${kernel.split('-')[0]}, ${date.slice(0, 10)}`;
}

const milliseconds = ms => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/*
 * The kinds of files that a container may have, and the rows of the benches that measure each. PLUS: the times are
 * given as what is added to CRIU's own, because they do not grow with the file.
 */
const kinds = [
  {
    what: 'nothing to keep',
    suite: 'start',
    case: 'no-ghost',
    plus: true,
    why: 'The gate looks by itself and starts nothing.',
  },
  { what: 'one small file', suite: 'start', case: 'one-16k', plus: true, why: 'The helper starts.' },
  {
    what: 'large files without holes, on ext4 or tmpfs',
    suite: 'dump',
    case: '(dense-1024m|100x64m)',
    on: /ext4|tmpfs/,
    why: 'They are copied while the container runs, and compared while it is frozen.',
  },
  {
    what: 'large files without holes, on xfs or btrfs, and the images are there, too',
    suite: 'dump',
    case: 'dense-1024m',
    on: /xfs|btrfs/,
    why: 'Blocks are shared, so no room is taken. Dirty pages go to the disk before the freeze, which the whole command waits for.',
  },
  {
    what: 'blocks of 4 KiB and holes in turns',
    suite: 'dump',
    case: '4k-4k-256m',
    why: 'Each block is compared while the container is frozen.',
  },
  {
    what: 'a large file that is nearly all hole',
    suite: 'dump',
    case: 'hole-1024m-8k',
    plus: true,
    why: 'The helper starts, as for a small file.',
  },
  {
    what: 'a large file that is allocated and was never written',
    suite: 'dump',
    case: 'fallocated-1024m',
    plus: true,
    why: 'The helper starts, as for a small file. No unwritten space is read.',
  },
  {
    what: '1,000 small files',
    suite: 'dump',
    case: '1000x16k',
    why: 'Their entries are prepared while the container runs. With SELinux they are not, because each file has an attribute: this was not measured by the bench.',
  },
];

/** Times beside the fastest way of CRIU alone, for docs/costs.md. */
export function costsByKind() {
  const rows = kinds.map(kind => [kind.what, span(kind, 'frozen'), span(kind, 'total'), kind.why]);
  const text = table(['the container has', 'frozen', 'whole command', 'why'], rows);
  return `${text}\n\nThe first two rows are from \`start\`, the others from \`dump\`. ${machines(kinds.map(({ suite }) => suite))}`;
}

function span({ suite, case: name, on = /^/, plus }, time) {
  const rows = rowsOf(suite).filter(
    row => new RegExp(`^${name} ${time}$`).test(row.case) && on.test(row.filesystem),
  );
  if (rows.length === 0) throw new Error(`bench/results/${suite}.json has no row ${name} ${time}`);
  const figures = rows.map(row => (plus ? row.oursMs - row.peerMs : row.ratio));
  const [least, most] = [Math.min(...figures), Math.max(...figures)].map(
    plus ? short : ratio => ratio.toFixed(2),
  );
  const figure = least === most ? least : `${least} to ${most}`;
  return plus ? `${figure} ms longer` : `${figure} times CRIU's`;
}

const short = ms => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));
