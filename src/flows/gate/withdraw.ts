/** Takes back what `ghostkeep checkpoint` began, when the runtime's command has failed or was never run. */
import { reasonOf } from '../../base/errors.js';
import { clearImages } from '../../image/clear-images.js';
import { basesIn } from '../bases/bases.js';
import type { Gathered } from '../bases/gather.js';
import type { Context } from '../context.js';
import { asOwner, holderOf } from '../directory/owner.js';

/** `ghostkeep seal` or the gate may own the directory, and lets it go soon. */
export const patient = { waitMs: 10_000 };

/**
 * Removes what we began. If the gate is installed as well, the directory is the gate's by now, and the gate
 * cleans it up.
 */
export async function withdraw(context: Context, images: string, bases: Gathered): Promise<void> {
  try {
    await asOwner(context, images, () => undo(context, images, bases), patient);
  } catch (error) {
    context.log.warn(`cannot remove the unfinished dump in ${images}: ${reasonOf(error)}`);
  }
}

export function undo(context: Context, images: string, bases: Gathered): void {
  try {
    // Our journal and images are removed first: giveBack then removes the working folder, if no base stays in
    // it.
    if (holderOf(context, images) === context.host.processes.self())
      clearImages(context.host, images, basesIn(context, images));
    bases.giveBack();
  } catch (error) {
    context.log.warn(`cannot remove the unfinished dump in ${images}: ${reasonOf(error)}`);
  }
}
