/**
 * The prestart hook of a container with annotations io.ghostkeep.*. At create it records the container and
 * its policy; at restore it checks the image. Modules that only a restore needs are loaded there, because a
 * create waits for every module that is loaded.
 */

import path from 'node:path';
import { bounds } from '../../base/bounds.js';
import { errnoOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import { type BundleMount, parseBundle } from '../../oci/bundle.js';
import { asksForUs } from '../../oci/policy.js';
import type { OciState } from '../../oci/state.js';
import { wishesOf } from '../container/policy.js';
import { keepSession, readSession, type Session, startTimeOf } from '../container/sessions.js';
import type { Context } from '../context.js';
import type { FindSource } from '../restore/recreate-linked.js';

export async function prestart(context: Context, state: OciState): Promise<void> {
  if (!asksForUs(state.annotations)) return;
  if (isRestore(context.host.processes, state)) await checkImages(context, state);
  keepSession(context, makeSession(context, state));
}

async function checkImages(context: Context, state: OciState): Promise<void> {
  // A restore without CRIU has no descriptor of CRIU's to show; then the record of the last checkpoint names
  // the directory.
  const images = findRestoreImages(context, state) ?? readSession(context, state.id)?.images;
  if (!images) {
    context.log.info(`no image directory is known for ${state.id}, nothing to check`, {
      container: state.id,
    });
    return;
  }
  const { checkBeforeRestore } = await import('../restore/check-before.js');
  await checkBeforeRestore(context, images, sourcesOf(context, state));
}

/**
 * Finds in the bundle where bind mounts come from. Source: OCI runtime-spec, config.md, Mounts. crun before
 * 1.27 gives hooks `/` as every container's bundle (containers/crun#2025). Then prestart does not know the
 * sources. That does no harm where the gate is installed: the gate asks CRIU and needs no bundle.
 */
function sourcesOf({ host: { files }, log }: Context, { bundle, id }: OciState): FindSource {
  if (path.posix.resolve(bundle) === '/') {
    log.info(`the runtime does not say where the bundle of ${id} is`, { container: id });
    return () => undefined;
  }
  return mountPoint => {
    const config = `${bundle}/config.json`;
    const { mounts = [] } = parseBundle(files.read(config, bounds.bundle).toString('utf8'), config);
    return mounts.find(mount => mount.destination === mountPoint && isBind(mount))?.source;
  };
}

function isBind({ type, options = [] }: BundleMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

function makeSession(context: Context, state: OciState): Session {
  const startTime = state.pid ? startTimeOf(context.host.processes, state.pid) : undefined;
  return {
    version: 1,
    container: state.id,
    bundle: state.bundle,
    created: context.host.now().toISOString(),
    policy: wishesOf(context, state.annotations ?? {}),
    ...(state.pid && startTime ? { pid: state.pid, startTime } : {}),
  };
}

/**
 * True at a restore. runc runs the hook while CRIU restores: the state is `stopped`, and the process that the
 * state names is still CRIU.
 */
function isRestore(processes: ProcessView, state: OciState): boolean {
  return (
    state.status === 'stopped' || (state.pid !== undefined && state.pid > 0 && isCriu(processes, state.pid))
  );
}

function isCriu(processes: ProcessView, pid: number): boolean {
  try {
    return path.basename(processes.readLink(pid, 'exe').toString('latin1')) === 'criu';
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/**
 * Finds the image directory, which the state never names, by a descriptor: CRIU or its parent has one open on
 * it.
 */
function findRestoreImages({ host: { processes, files } }: Context, state: OciState): string | undefined {
  if (!state.pid) return undefined;
  for (const find of [(own: number) => own, (own: number) => processes.parent(own)]) {
    try {
      const pid = find(state.pid);
      for (const fd of processes.fds(pid)) {
        const folder = `/proc/${pid}/fd/${fd}`;
        if (processes.readLink(pid, `fd/${fd}`)[0] === 0x2f && files.exists(`${folder}/inventory.img`))
          return folder;
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return undefined;
}
