/**
 * A record says where the bases of some processes lie, so that the gate finds them without being told, also
 * for a container without hooks. The round that makes the bases writes the record before the first of them. A
 * wrong record loses nothing: a base that no record leads to only costs time, and a base that a record leads
 * to is compared with its ghost. When the processes of a record have all ended, whoever finds the record
 * removes it with its bases (leftover-bases.ts).
 */

import path from 'node:path';
import { bounds } from '../../base/bounds.js';
import { parseDocument } from '../../base/documents/document.js';
import type { BaseProcess, BaseRecord } from '../../base/documents/generated/base-record.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Host, ProcessView } from '../../base/host/host.js';
import { showDev } from '../../base/units.js';
import { isPrivate } from '../../image/own-folder.js';
import { startTimeOf } from '../container/sessions.js';
import type { Context } from '../context.js';
import { isRecordName, recordsFolder } from './records-folder.js';

export type { BaseRecord };

/**
 * The schema has the same bound. A container has one process whose parent is outside, and one more for each
 * `exec`.
 */
const mostProcesses = 1024;

export interface FoundRecord {
  path: string;
  record: BaseRecord;
}

/**
 * Notes that bases of PIDS lie in FOLDER. A record of the same processes is replaced. If none can be written,
 * the round goes on: a dump into FOLDER itself, or with --base FOLDER, finds the bases all the same.
 */
export function writeBaseRecord(
  context: Context,
  folder: string,
  pids: readonly number[],
  container?: string,
): void {
  const { host, log } = context;
  const processes = leadersOf(host.processes, pids);
  const [first] = processes;
  if (!first) return;
  const record: BaseRecord = {
    version: 1,
    ...(container === undefined ? {} : { container }),
    folder,
    dev: devOf(host, folder),
    created: host.now().toISOString(),
    processes,
  };
  const file = `${recordsFolder(host)}/${first.pid}-${first.startTime}.json`;
  let why = 'others may write to it';
  try {
    host.files.makeDirectory(path.dirname(file), 0o700);
    if (mayUse(host)) {
      host.files.replace(file, Buffer.from(`${JSON.stringify(record, null, 1)}\n`), { durable: false });
      return;
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    why = reasonOf(error);
  }
  log.warn(
    `cannot record in ${path.dirname(file)} where the bases lie, so the gate finds only those in its own image directory: ${why}`,
  );
}

/**
 * The processes of PIDS, 1024 at most. First come those whose parent is not among PIDS. The others are
 * listed, too: if PIDS has the container's parent in it by mistake, that process alone would come first, and
 * the gate, which knows only processes of the container, would not find the record.
 */
function leadersOf(processes: ProcessView, pids: readonly number[]): BaseProcess[] {
  const all = new Set(pids);
  const isLeader = (pid: number) => !hasParentIn(processes, pid, all);
  return [...pids.filter(isLeader), ...pids.filter(pid => !isLeader(pid))]
    .slice(0, mostProcesses)
    .flatMap(pid => {
      const startTime = startTimeOf(processes, pid);
      return startTime === undefined ? [] : { pid, startTime };
    });
}

function hasParentIn(processes: ProcessView, pid: number, all: ReadonlySet<number>): boolean {
  try {
    return all.has(processes.parent(pid));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** Is there any record? For callers that would otherwise load more modules only to find none. */
export function hasBaseRecords({ host }: Context): boolean {
  return mayUse(host) && host.files.list(recordsFolder(host)).some(isRecordName);
}

/**
 * Lists the records. A record that cannot be read, perhaps because it has another version, is passed over.
 */
export function listBaseRecords({ host, log }: Context): FoundRecord[] {
  const { files } = host;
  if (!mayUse(host)) return [];
  const folder = recordsFolder(host);
  return files
    .list(folder)
    .filter(isRecordName)
    .flatMap(name => {
      const file = `${folder}/${name}`;
      try {
        const bytes = files.readIfThere(file, bounds.session);
        if (!bytes) return [];
        const record = parseDocument<BaseRecord>('BaseRecord', bytes.toString('utf8'), file, 'BAD_INPUT');
        return [{ path: file, record }];
      } catch (error) {
        if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
        log.info(`cannot read ${file}, passing it over: ${reasonOf(error)}`);
        return [];
      }
    });
}

/**
 * The folders on the file system of IMAGES in which bases of PIDS may lie. Bases elsewhere could not be
 * renamed, and looking for them could mean to wait for a dead server.
 */
export function foldersOfBases(context: Context, images: string, pids: readonly number[]): string[] {
  const all = new Set(pids);
  const { host } = context;
  const found = listBaseRecords(context).filter(
    ({ record }) =>
      record.dev === devOf(host, images) &&
      record.processes.some(
        ({ pid, startTime }) => all.has(pid) && startTimeOf(host.processes, pid) === startTime,
      ),
  );
  return [...new Set(found.map(({ record }) => record.folder))];
}

const devOf = ({ files }: Host, folder: string) => showDev(files.statPath(`${folder}/.`).dev);

/** The record's processes that live: they may still be dumped. */
export function livingOf({ processes }: Host, record: BaseRecord): number[] {
  return record.processes
    .filter(({ pid, startTime }) => startTimeOf(processes, pid) === startTime)
    .map(({ pid }) => pid);
}

/** May the records be used? Only if nobody else can write to their folder or to the folder above it. */
export function mayUse(host: Host): boolean {
  const folder = recordsFolder(host);
  return isPrivate(host, folder) && isPrivate(host, path.dirname(folder));
}
