/** What poststop does about an image directory: confirm the seal, redo it, or dump and seal by itself. */
import { errnoOf } from '../base/errors.js';
import type { ProcessView } from '../base/host.js';
import { resolvePolicy } from '../oci/policy.js';
import type { Context } from './context.js';
import { dumpGhosts } from './dump.js';
import { isOurs, sealImages } from './seal.js';
import type { Session } from './sessions.js';

export async function confirmSeal(
  context: Context,
  container: string,
  session: Session | undefined,
  images: string,
): Promise<void> {
  const { host, log } = context;
  const fields = { container };
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
    container,
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
