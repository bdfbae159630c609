/**
 * If `ghostkeep checkpoint` is killed, the container that it has paused must not stay paused. So the command
 * keeps a record for as long as it may have to resume the container. The next command that finds a record
 * whose owner has ended resumes the container.
 */

import path from 'node:path';
import { bounds } from '../../../base/bounds.js';
import { parseDocument } from '../../../base/documents/document.js';
import type { Paused } from '../../../base/documents/generated/paused.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import type { Host } from '../../../base/host/host.js';
import { isPrivate } from '../../../image/own-folder.js';
import type { RuntimeCommand } from '../../../oci/command-line.js';
import type { Context } from '../../context.js';
import { isPausedBy, resume } from '../runtime-calls.js';
import { startTimeOf } from '../sessions.js';
import { pausedFolder } from './paused-folder.js';

/** The caller calls this before it pauses the container. @returns a function to call after the resume */
export function notePause(
  context: Context,
  { container, program, globals, cwd }: RuntimeCommand,
  pid: number,
  criuConfig: string,
): () => void {
  const { host, log } = context;
  const { files, processes } = host;
  const self = processes.self();
  const owner = { pid: self, startTime: processes.startTime(self) };
  const record = pathOf(host, `${owner.pid}-${owner.startTime}`);
  try {
    const first = { pid, startTime: processes.startTime(pid) };
    const paused: Paused = { version: 1, container, program, globals, cwd, owner, first, criuConfig };
    files.makeDirectory(path.dirname(record), 0o700);
    files.replace(record, Buffer.from(`${JSON.stringify(paused, null, 1)}\n`), { durable: false });
    return () => files.remove(record);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    log.warn(
      `cannot record that ${container} is paused, so it stays paused if ghostkeep is killed: ${reasonOf(error)}`,
    );
    return () => {};
  }
}

/**
 * Resumes containers that killed checkpoints have left paused. A container that cannot be resumed is only
 * logged, because the command that calls this has another purpose.
 */
export async function resumeForgotten(context: Context): Promise<void> {
  const { host, log } = context;
  for (const record of records(host)) {
    try {
      const paused = readRecord(host, record);
      if (!paused || isInUse(host, paused)) continue;
      await resumeIfPaused(context, paused);
      removeScratch(host, paused);
      host.files.remove(record);
    } catch (error) {
      log.warn(`cannot resume the container of ${record}: ${reasonOf(error)}`);
    }
  }
}

/** Lists what `resumeForgotten` would resume. A record that cannot be read is logged. */
export function forgottenPauses({ host, log }: Context): Paused[] {
  return records(host).flatMap(record => {
    try {
      const paused = readRecord(host, record);
      return paused && !isInUse(host, paused) ? [paused] : [];
    } catch (error) {
      log.warn(`cannot tell which container ${record} is about: ${reasonOf(error)}`);
      return [];
    }
  });
}

function records(host: Host): string[] {
  const folder = pausedFolder(host.uid());
  if (!isPrivate(host, folder) || !isPrivate(host, path.dirname(folder))) return [];
  return host.files
    .list(folder)
    .filter(found => found.endsWith('.json'))
    .map(name => `${folder}/${name}`);
}

function readRecord({ files }: Host, record: string): Paused | undefined {
  const bytes = files.readIfThere(record, bounds.session);
  return bytes && parseDocument<Paused>('Paused', bytes.toString('utf8'), record, 'BAD_INPUT');
}

async function resumeIfPaused(context: Context, paused: Paused): Promise<void> {
  const { container, owner, first } = paused;
  // If the process has ended, there is nothing to resume; another container may have its name by now.
  if (startTimeOf(context.host.processes, first.pid) !== first.startTime) return;
  if (!(await isPausedBy(context, paused))) return;
  await resume(context, paused);
  context.log.warn(
    `resumed ${container}: ghostkeep checkpoint (process ${owner.pid}) had paused it and was killed; its checkpoint is not complete`,
  );
}

/**
 * Removes the folder of CRIU's options. mkdtemp(3) made it where everybody may make folders, so its name and
 * its owner are checked.
 */
function removeScratch(host: Host, { criuConfig }: Paused): void {
  const scratch = path.dirname(criuConfig);
  if (/^ghostkeep-[A-Za-z0-9]{6}$/.test(path.basename(scratch)) && isPrivate(host, scratch))
    host.files.removeTree(scratch);
}

/**
 * Does the owner live, or a runtime's command that it started? Such a command may outlive its caller, and its
 * CRIU may have frozen the container: then we must not thaw the container.
 */
function isInUse({ processes }: Host, { owner, criuConfig }: Paused): boolean {
  return (
    startTimeOf(processes, owner.pid) === owner.startTime ||
    processes.listPids().some(pid => variableOf(processes, pid) === criuConfig)
  );
}

function variableOf(processes: Host['processes'], pid: number): string | undefined {
  try {
    return processes.environment(pid, 'CRIU_CONFIG_FILE');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function pathOf(host: Host, name: string): string {
  return `${pausedFolder(host.uid())}/${name}.json`;
}
