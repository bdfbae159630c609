/**
 * A whole dump on a small file of our own, before anything is frozen: V8 compiles a function when it is first called,
 * and the native library is loaded at its first call. What is slow only once is over when it counts (decision 0006).
 */
import { reasonOf } from '../base/errors.js';
import { silent } from '../base/log.js';
import { encodeExternalFiles } from '../criu/seal-plan.js';
import { folder } from '../image/layout.js';
import type { Context } from './context.js';
import { dumpGhosts, keysOfJournal } from './dump.js';
import { policyOf } from './policy.js';
import { sealImages } from './seal.js';

/** Enough for an image with chunks. */
const ghostBytes = 20_000;

/** Leaves nothing in IMAGES. Whatever goes wrong here goes wrong again when it matters, and is reported then. */
export async function rehearse(context: Context, images: string): Promise<void> {
  const { files, processes } = context.host;
  const ours = `${images}/${folder}`;
  const scratch = `${ours}/rehearsal`;
  const self = processes.self();
  const existed = files.exists(ours);
  let ghost: number | undefined;
  try {
    files.makeDirectory(scratch);
    files.replace(`${scratch}/ghost`, Buffer.alloc(ghostBytes, 1), false);
    ghost = files.open(`${scratch}/ghost`);
    files.remove(`${scratch}/ghost`);
    const quiet = { ...context, log: silent };
    const { policy } = policyOf(quiet, self);
    const request = { images: scratch, pids: processes.tree(self), policy, criu: true };
    const { journal } = await dumpGhosts(quiet, request);
    files.replace(`${scratch}/files.img`, encodeExternalFiles(keysOfJournal(journal)), false);
    files.replace(`${scratch}/inventory.img`, Buffer.alloc(0), false);
    sealImages(quiet, scratch, false);
    files.removeTree(existed ? scratch : ours);
  } catch (error) {
    context.log.debug(`the rehearsal failed: ${reasonOf(error)}`);
  } finally {
    if (ghost !== undefined) files.close(ghost);
  }
}
