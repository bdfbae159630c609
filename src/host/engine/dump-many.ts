import fs from 'node:fs';
import path from 'node:path';
import type { DumpJob, EngineName, EngineReport, FileStat, Memory, Refused } from '../../base/host/host.js';
import { inFolder } from '../files/in-place.js';
import { ask, dumpFlags, engineNumber, nativeError, readReport } from '../native/call.js';
import { dumpJob, report as reportLayout } from '../native/layout.js';
import { readStat } from '../native/stat.js';
import { recall } from '../records/recall.js';

export function dumpMany(
  folder: string,
  engine: EngineName,
  mode: number,
  jobs: readonly DumpJob[],
  memory?: Memory,
): readonly ({ report: EngineReport; after: FileStat } | Refused)[] {
  if (jobs.length === 0) return [];
  const words = new BigInt64Array(jobs.length * dumpJob.words);
  // A number below 2^32 is written as two halves, of which the upper one stays 0. Making a bigint takes
  // longer.
  const halves = new Uint32Array(words.buffer);
  const { word } = dumpJob;
  const inside = path.dirname(jobs[0]?.name ?? '');
  const names = jobs.map(({ name }) => `${relative(inside, name)}\0`);
  let [headerAt, nameAt] = [0, 0];
  for (const [index, job] of jobs.entries()) {
    const { ghostFd, size, header } = job;
    const at = index * dumpJob.words;
    words[at + word.size] = size;
    halves[2 * (at + word.ghost_fd)] = ghostFd;
    halves[2 * (at + word.flags)] = dumpFlags(job);
    halves[2 * (at + word.header_at)] = headerAt;
    halves[2 * (at + word.header_bytes)] = header.byteLength;
    halves[2 * (at + word.name_at)] = nameAt;
    headerAt += header.byteLength;
    nameAt += Buffer.byteLength(names[index] as string);
  }
  const headers = Buffer.concat(jobs.map(({ header }) => header));
  const dirFd = inFolder(path.join(folder, inside), at =>
    fs.openSync(at, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY),
  );
  try {
    const all = Buffer.from(names.join(''));
    ask('gk_dump_many', dirFd, mode, engineNumber(engine), jobs.length, words, headers, all);
  } finally {
    fs.closeSync(dirFd);
  }
  const key = `dump ${names[0]} ${jobs.length}`;
  return recall(memory, key, words, { size: dumpJob.bytes, from: dumpJob.at.error }, index => {
    const at = index * dumpJob.words;
    const report = Buffer.from(words.buffer, (at + word.report) * 8, reportLayout.bytes);
    const error = Number(words[at + word.error]);
    if (error < 0) return { error: nativeError('gk_dump_many', error, report) };
    return { report: readReport(report), after: readStat(words, at + word.after) };
  });
}

/**
 * Like path.relative(), which takes microseconds for each of many names. Nearly all names are in FOLDER
 * itself.
 */
function relative(folder: string, name: string): string {
  return name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : path.relative(folder, name);
}
