/** Writes each suite's rows as a table for people, as JSON for programs, and as a plot. */
import fs from 'node:fs';
import path from 'node:path';
import type { Machine } from '../machine/machine.js';
import { plotRows } from './plot.js';
import { plotGrowth } from './plot-growth.js';
import type { Row } from './row.js';

export interface Result {
  suite: string;
  machine: Machine;
  /** Names and versions of the programs that ghostkeep was compared with. */
  programs: Record<string, string>;
  quick: boolean;
  missing: Record<string, string>;
  rows: readonly Row[];
}

export function writeResult(folder: string, result: Result): void {
  fs.mkdirSync(folder, { recursive: true });
  const file = (ending: string) => path.join(folder, `${result.suite}.${ending}`);
  fs.writeFileSync(file('json'), `${JSON.stringify(result, null, 1)}\n`);
  fs.writeFileSync(file('md'), markdown(result));
  fs.writeFileSync(file('svg'), plot(`${result.suite}: ghostkeep and its peers`, result.rows));
}

function plot(title: string, rows: readonly Row[]): string {
  return rows.some(({ growth }) => growth) ? plotGrowth(title, rows) : plotRows(title, rows);
}

const head = ['case', 'file system', 'state', 'ghostkeep ms', 'peers ms', 'ratio', 'target', 'also', 'equal'];

export function markdown({ machine, programs, quick, missing, rows }: Result): string {
  const lines = [head, head.map(() => '---'), ...rows.map(cells)].map(line => `| ${line.join(' | ')} |`);
  const notes = Object.entries(missing).map(([what, why]) => `Without ${what}: ${why}.`);
  const quickly = quick ? ' --quick: small files, one round; not for conclusions.' : '';
  return `${[...lines, '', `${describe(machine, programs)}${quickly}`, ...notes].join('\n')}\n`;
}

function cells(row: Row): string[] {
  return [
    row.case,
    row.filesystem,
    row.state,
    show(row.ours),
    Object.entries(row.peers)
      .map(([name, figure]) => `${name} ${show(figure)}`)
      .join('; '),
    row.ratio.toFixed(row.ratio < 0.1 ? 3 : 2),
    row.target === null ? (row.targetMs === undefined ? '' : `${row.targetMs} ms`) : String(row.target),
    also(row),
    row.equal ? 'yes' : `NO: ${row.unequal?.join(', ')}`,
  ];
}

/** The figures that a row has besides times. */
function also(row: Row): string {
  const { bytes, addedMs, published, atWork, peakBytes, targetBytes, rounds } = row;
  const list = (values: Record<string, number>, write: (value: number) => string) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${write(value)}`)
      .join(', ');
  return [
    ...(bytes ? [`on disk: ${list(bytes, showBytes)}`] : []),
    ...(bytes && row.dataOnly
      ? [`of this beside the content: ${list(besideContent(bytes, row.dataOnly), showBytes)}`]
      : []),
    ...(addedMs ? [`added: ${list(addedMs, value => `${digits(value)} ms`)}`] : []),
    ...(published ? [`published ${published.fiemapMs} / ${published.seekMs} ms`] : []),
    ...(atWork === undefined ? [] : [`${atWork} processors at work`]),
    ...(peakBytes
      ? [
          `peak memory: ${list(peakBytes, showBytes)}${targetBytes === undefined ? '' : ` (at most ${showBytes(targetBytes)})`}`,
        ]
      : []),
    ...(row.writtenBytes === undefined ? [] : [`written while paused: ${written(row)}`]),
    ...(row.sealMs === undefined ? [] : [`${digits(row.sealMs)} ms of ours after the ghosts had arrived`]),
    ...(row.sentBytes ? [`sent: ${list(row.sentBytes, showBytes)}`] : []),
    `${rounds} rounds`,
  ].join('; ');
}

const besideContent = (bytes: Record<string, number>, dataOnly: Record<string, number>) =>
  Object.fromEntries(Object.entries(bytes).map(([name, all]) => [name, all - (dataOnly[name] ?? 0)]));

function written({ writtenBytes = 0, targetWritten }: Row): string {
  return `${showBytes(writtenBytes)}${targetWritten === undefined ? '' : ` (at most ${showBytes(targetWritten)})`}`;
}

function show({ ms, range: [low, high] }: Row['ours']): string {
  return low === high ? digits(ms) : `${digits(ms)} (${digits(low)} to ${digits(high)})`;
}

export function digits(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

function showBytes(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

function describe(machine: Machine, programs: Record<string, string>): string {
  const versions = Object.entries(programs).map(([name, version]) => `${name} ${version}`);
  return [
    `ghostkeep ${machine.ghostkeep} (${machine.commit}), ${machine.date.slice(0, 16)}Z`,
    `${machine.cores} × ${machine.processor}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`,
    `Node ${machine.node}${versions.map(each => `, ${each}`).join('')}. Medians (lowest to highest).`,
  ].join('; ');
}
