/** The poststop hook: confirm the seal or redo it, and close the session. Runtimes may call it more than once. */
import { errnoOf } from '../base/errors.js';
import type { ProcessView } from '../base/host.js';
import { parseRuntimeCommand } from '../oci/command-line.js';
import { resolvePolicy } from '../oci/policy.js';
import type { OciState } from '../oci/state.js';
import type { Context } from './context.js';
import { dumpGhosts } from './dump.js';
import { isOurs, sealImages } from './seal.js';
import { closeSession, readSession, type Session } from './sessions.js';

export async function poststop(context: Context, state: OciState): Promise<void> {
  const session = readSession(context, state.id);
  const images = session?.images ?? imagesOfCaller(context.host.processes, state);
  if (images) await finish(context, state, session, images);
  closeSession(context, state.id);
}

async function finish(
  context: Context,
  state: OciState,
  session: Session | undefined,
  images: string,
): Promise<void> {
  const { host, log } = context;
  const fields = { container: state.id };
  if (isOurs(host.files, images)) {
    const { manifest, now } = sealImages(context, images, true);
    log.info(`${images}: ${manifest.ghosts.length} ghosts, ${now ? 'sealed now' : 'sealed before'}`, fields);
    return;
  }
  // A workflow without CRIU calls us while the processes are frozen and can still be reached.
  const pid = session && stillThere(host.processes, session);
  if (!pid || !host.files.exists(images)) return;
  await dumpGhosts(context, {
    images,
    pids: host.processes.tree(pid),
    policy: resolvePolicy(session.policy),
    container: state.id,
    criu: false,
  });
  const { manifest } = sealImages(context, images, true);
  log.info(`${images}: ${manifest.ghosts.length} ghosts dumped and sealed`, fields);
}

function stillThere(processes: ProcessView, { pid, startTime }: Session): number | undefined {
  try {
    return pid !== undefined && processes.startTime(pid) === startTime ? pid : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** `runc checkpoint --image-path DIR ID` is our parent. Anything else that stops a container is no checkpoint. */
function imagesOfCaller(processes: ProcessView, state: OciState): string | undefined {
  try {
    const caller = processes.parent(processes.self());
    const command = parseRuntimeCommand(
      processes.commandLine(caller),
      processes.readLink(caller, 'cwd').toString('utf8'),
    );
    return command.verb === 'checkpoint' && command.container === state.id ? command.images : undefined;
  } catch {
    // A caller that is not runc or crun, or is gone: then there is nothing to confirm.
    return undefined;
  }
}
