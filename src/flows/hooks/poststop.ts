/**
 * The poststop hook of a container with annotations io.ghostkeep.* or a session record. It confirms the seal
 * or seals again, and closes the session. Runtimes may call it more than once, and mostly there is no image.
 * Then it does not load the modules that read images.
 */
import { fieldsOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import { parseRuntimeCommand } from '../../oci/command-line.js';
import { asksForUs } from '../../oci/policy.js';
import type { OciState } from '../../oci/state.js';
import { hasBaseRecords } from '../bases/base-records.js';
import { closeSession, readSession, type Session } from '../container/sessions.js';
import type { Context } from '../context.js';

export async function poststop(context: Context, state: OciState): Promise<void> {
  const session = readSession(context, state.id);
  if (!session && !asksForUs(state.annotations)) return;
  const images = session?.images ?? imagesOfCaller(context.host.processes, state);
  if (images) {
    const { confirmSeal } = await import('./confirm-seal.js');
    try {
      await confirmSeal(context, state.id, session, images);
    } catch (error) {
      // A dump that lacks content is sealed, so another try would change nothing. After any other failure the
      // session stays, and the next poststop tries again.
      if (fieldsOf(error).code === 'GHOST_LEFT_OUT') closeSession(context, state.id);
      else if (session)
        context.log.warn(`the session record of ${state.id} stays, for the next poststop to try again`);
      throw error;
    }
  }
  closeSession(context, state.id);
  await removeBasesOf(context, state.id, session);
}

/**
 * Removes the bases that a round has made for the container, because the container has ended and nobody will
 * use them.
 */
async function removeBasesOf(context: Context, id: string, session: Session | undefined): Promise<void> {
  if (!hasBaseRecords(context)) return;
  const { removeEnded } = await import('../bases/leftover-bases.js');
  removeEnded(
    context,
    ({ container, processes }) =>
      container === id ||
      processes.some(({ pid, startTime }) => pid === session?.pid && startTime === session.startTime),
  );
}

/**
 * Finds the images if `runc checkpoint --image-path DIR ID` is our parent. Any other caller has stopped the
 * container without a checkpoint.
 */
function imagesOfCaller(processes: ProcessView, state: OciState): string | undefined {
  try {
    const caller = processes.parent(processes.self());
    const command = parseRuntimeCommand(
      processes.commandLine(caller),
      processes.readLink(caller, 'cwd').toString('utf8'),
    );
    return command.verb === 'checkpoint' && command.container === state.id ? command.images : undefined;
  } catch {
    // The caller is not runc or crun, or is gone, so there is nothing to confirm.
    return undefined;
  }
}
