/** The prestart hook: at create, remember the container and its policy; at restore, check the image. */
import path from 'node:path';
import { errnoOf } from '../base/errors.js';
import type { ProcessView } from '../base/host.js';
import { type BundleMount, parseBundle } from '../oci/bundle.js';
import type { OciState } from '../oci/state.js';
import type { Context } from './context.js';
import { checkBeforeRestore } from './gate-restore.js';
import type { FindSource } from './linked.js';
import { containerPolicy } from './policy.js';
import { keepSession, readSession, type Session, startTimeOf } from './sessions.js';

export async function prestart(context: Context, state: OciState): Promise<void> {
  const { host } = context;
  if (isRestore(host.processes, state)) {
    // Who restores without CRIU has no descriptor of it to show: then the record of the last checkpoint says it.
    const images = findRestoreImages(context, state) ?? readSession(context, state.id)?.images;
    if (images) await checkBeforeRestore(context, images, sourcesOf(context, state));
    else
      context.log.info(`no image directory is known for ${state.id}, nothing to check`, {
        container: state.id,
      });
  }
  keepSession(context, makeSession(context, state));
}

/** The bundle says where bind mounts come from. Source: OCI runtime-spec, config.md, Mounts. */
function sourcesOf({ host: { files } }: Context, { bundle }: OciState): FindSource {
  return mountPoint => {
    const path = `${bundle}/config.json`;
    const { mounts = [] } = parseBundle(files.read(path).toString('utf8'), path);
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
    policy: containerPolicy(context, state.annotations ?? {}),
    ...(state.pid && startTime ? { pid: state.pid, startTime } : {}),
  };
}

/** runc runs the hook while CRIU restores: the state says stopped, and the first process still is CRIU's. */
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

/** The state never names the image directory: one of CRIU's descriptors is it, or its parent's command line says. */
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
