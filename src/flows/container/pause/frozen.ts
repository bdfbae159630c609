/**
 * If `ghostkeep dump --freeze` is killed, the processes that it has frozen must not stay frozen. So the
 * command keeps a record, beside those of `ghostkeep checkpoint`, for as long as something is frozen. The
 * next command that finds a record whose owner has ended lets the processes go on.
 */
import { bounds } from '../../../base/bounds.js';
import { parseDocument } from '../../../base/documents/document.js';
import type { Frozen } from '../../../base/documents/generated/frozen.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import type { Host } from '../../../base/host/host.js';
import { isPrivate } from '../../../image/own-folder.js';
import type { Context } from '../../context.js';
import { startTimeOf } from '../sessions.js';
import { pausedFolder } from './paused-folder.js';

export type { Frozen };

/**
 * The dump that copies the frozen processes has the record's path in this variable of its environment. While
 * that dump lives, nobody thaws the processes.
 */
export const recordVariable = 'GHOSTKEEP_FROZEN';

export function recordPath({ uid, processes }: Host): string {
  const self = processes.self();
  return `${pausedFolder(uid())}/${self}-${processes.startTime(self)}.frozen`;
}

/** The caller writes the record before it freezes what the record names. */
export function noteFrozen({ files, uid }: Host, path: string, frozen: Frozen): void {
  files.makeDirectory(pausedFolder(uid()), 0o700);
  files.replace(path, Buffer.from(`${JSON.stringify(frozen, null, 1)}\n`), { durable: false });
}

/**
 * Lets everything that FROZEN names go on. If a process has ended, another may have its pid by now, so the
 * start times are compared.
 */
export function thawAll({ freezer, processes }: Host, { cgroup, stopped }: Frozen): void {
  if (cgroup) freezer.thaw(cgroup);
  for (const { pid, startTime } of stopped)
    if (startTimeOf(processes, pid) === startTime) freezer.signal(pid, 'SIGCONT');
}

/**
 * Thaws what killed commands have left frozen.
 * @param finished the pid of a dump that has copied everything, so that it keeps nobody from thawing
 */
export function thawForgotten(context: Context, finished?: number): void {
  const { host, log } = context;
  for (const record of records(host)) {
    try {
      const frozen = readRecord(host, record);
      if (!frozen || isInUse(host, frozen, record, finished)) continue;
      thawAll(host, frozen);
      host.files.remove(record);
      log.warn(
        `${frozen.what} goes on: ghostkeep dump --freeze (process ${frozen.owner.pid}) had frozen it and was killed`,
      );
    } catch (error) {
      log.warn(`cannot thaw what ${record} names: ${reasonOf(error)}`);
    }
  }
}

/** Lists what `thawForgotten` would thaw. A record that cannot be read is logged. */
export function forgottenFreezes({ host, log }: Context): Frozen[] {
  return records(host).flatMap(record => {
    try {
      const frozen = readRecord(host, record);
      return frozen && !isInUse(host, frozen, record) ? [frozen] : [];
    } catch (error) {
      log.warn(`cannot tell what ${record} is about: ${reasonOf(error)}`);
      return [];
    }
  });
}

function records(host: Host): string[] {
  const folder = pausedFolder(host.uid());
  if (!isPrivate(host, folder)) return [];
  return host.files
    .list(folder)
    .filter(found => found.endsWith('.frozen'))
    .map(name => `${folder}/${name}`);
}

function readRecord({ files }: Host, record: string): Frozen | undefined {
  const bytes = files.readIfThere(record, bounds.session);
  return bytes && parseDocument<Frozen>('Frozen', bytes.toString('utf8'), record, 'BAD_INPUT');
}

function isInUse({ processes }: Host, { owner }: Frozen, record: string, finished?: number): boolean {
  if (startTimeOf(processes, owner.pid) === owner.startTime) return true;
  return processes.listPids().some(pid => {
    if (pid === finished) return false;
    try {
      return processes.environment(pid, recordVariable) === record;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  });
}
