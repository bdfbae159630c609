/**
 * The work of the CRIU plugin's helper at restore: before CRIU reads the image, and before the processes go
 * on.
 */

import { errnoOf, reasonOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import { findGhosts } from '../../ghost/find/find.js';
import { isOfThisCheckpoint } from '../../image/inventory.js';
import { holdsDump, readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { checkBeforeRestore } from '../restore/check-before.js';
import type { FindSource } from '../restore/recreate-linked.js';
import {
  allocateGhost,
  allocationMs,
  completeGhost,
  hasAllocation,
  roomOfHost,
} from './complete-restored.js';
import { matchRestored } from './match-restored.js';

export class GateRestore {
  #mayPrepare = false;

  constructor(
    private readonly context: Context,
    private readonly images: string,
    private readonly findSource: FindSource,
  ) {}

  async check(): Promise<void> {
    await checkBeforeRestore(this.context, this.images, this.findSource);
    this.#mayPrepare = true;
  }

  /**
   * Prepares for `resumed` while CRIU restores and does not wait for us. A search takes 10 ms the first time
   * (decision 0006), so the first one is made here, in our own process, and its result is thrown away.
   */
  prepare(): void {
    const { host, log } = this.context;
    if (!this.#mayPrepare) return;
    this.#mayPrepare = false;
    try {
      if (holdsDump(host.files, this.images)) findGhosts(host.processes, [host.processes.self()]);
    } catch (error) {
      log.debug(`nothing is prepared: ${reasonOf(error)}`);
    }
  }

  /**
   * PID and all others that CRIU traces are restored and do not run yet: we give their ghosts what CRIU's
   * image cannot hold. CRIU has opened the ghosts by the names they had, so we tell them apart by name and
   * size; if two have the same, we guess nothing. Space is allocated again only if `materialize` wrote that
   * wish into the manifest.
   */
  async resumed(pid: number): Promise<void> {
    const { host, log, alive } = this.context;
    if (!holdsDump(host.files, this.images)) return;
    const manifest = readManifest(host.files, this.images);
    if (!isOfThisCheckpoint(host.files, this.images, manifest)) return;
    const restored = findGhosts(host.processes, tracedWith(host.processes, pid), alive).ghosts;
    const lost = new Set(manifest.preserveAllocation ? manifest.ghosts.filter(hasAllocation) : []);
    const room = lost.size > 0 ? roomOfHost(this.context) : undefined;
    const until = host.clock() + allocationMs;
    for (const { found, entry } of matchRestored(manifest.ghosts, restored)) {
      alive?.();
      const unallocated = lost.delete(entry) ? allocateGhost(this.context, found, entry, room, until) : [];
      const missing = [...unallocated, ...completeGhost(this.context, found, entry)];
      if (missing.length > 0) log.warn(`could not set ${missing.join(', ')} of ${entry.path} again`, { pid });
    }
    for (const { path } of lost)
      log.warn(`could not set allocation of ${path} again: no file is certain to be this one`, { pid });
  }
}

/** All processes that CRIU holds stopped; PID stands for them (native/gate/PROTOCOL.md). */
function tracedWith(processes: ProcessView, pid: number): number[] {
  const tracer = processes.tracer(pid);
  if (tracer === 0) return [pid];
  return processes.listPids().filter(other => {
    try {
      return processes.tracer(other) === tracer;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  });
}
