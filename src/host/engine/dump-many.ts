import fs from 'node:fs';
import path from 'node:path';
import type { DumpJob, EngineName, EngineReport, FileStat, Refused } from '../../base/host/host.js';
import { inFolder } from '../files/in-place.js';
import { ask, dumpFlags, engineNumber, nativeError, readReport, reportBytes } from '../native/call.js';
import { readStat, statWords } from '../native/stat.js';

/**
 * struct gk_dump_job: fd, size, flags, where the header is and how long, where the name is, error; a gk_stat;
 * a gk_report.
 */
const statAt = 7;
const reportAt = statAt + statWords;
const jobWords = reportAt + reportBytes / 8;

export function dumpMany(
  folder: string,
  engine: EngineName,
  mode: number,
  jobs: readonly DumpJob[],
): ({ report: EngineReport; after: FileStat } | Refused)[] {
  if (jobs.length === 0) return [];
  const words = new BigInt64Array(jobs.length * jobWords);
  const inside = path.dirname(jobs[0]?.name ?? '');
  const names = jobs.map(({ name }) => `${path.relative(inside, name)}\0`);
  let [headerAt, nameAt] = [0, 0];
  for (const [index, job] of jobs.entries()) {
    const { ghostFd, size, header } = job;
    const at = index * jobWords;
    words[at] = BigInt(ghostFd);
    words[at + 1] = size;
    words[at + 2] = BigInt(dumpFlags(job));
    words[at + 3] = BigInt(headerAt);
    words[at + 4] = BigInt(header.byteLength);
    words[at + 5] = BigInt(nameAt);
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
  return jobs.map((_, index) => {
    const at = index * jobWords;
    const report = Buffer.from(words.buffer, (at + reportAt) * 8, reportBytes);
    const error = Number(words[at + statAt - 1]);
    if (error < 0) return { error: nativeError('gk_dump_many', error, report) };
    return { report: readReport(report), after: readStat(words, at + statAt) };
  });
}
