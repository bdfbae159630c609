import { errnoOf, GhostkeepError } from '../base/errors.js';
import { finisherName } from '../image/layout.js';
import type { Context } from './context.js';
import { startTimeOf } from './sessions.js';

/**
 * Two that finish one dump would take each other's images away: the second is refused while the first lives.
 * @throws SEAL_FAILED
 */
export async function asOnlyFinisher<T>(
  context: Context,
  images: string,
  work: () => Promise<T>,
): Promise<T> {
  const { files } = context.host;
  const path = `${images}/${finisherName}`;
  const { claimed, other } = claim(context, path);
  if (other !== undefined) {
    const where = files.realPath(images);
    throw new GhostkeepError(
      'SEAL_FAILED',
      where,
      `cannot finish ${where}: process ${other} is doing that; when it has ended, \`ghostkeep seal -D ${where}\``,
    );
  }
  try {
    return await work();
  } finally {
    if (claimed) files.remove(path);
  }
}

/** @returns whether it is ours now, and else the pid of the living process that has it */
function claim(
  { host: { files, processes }, log }: Context,
  path: string,
): { claimed: boolean; other?: number } {
  const self = processes.self();
  const own = `${self} ${processes.startTime(self)}`;
  try {
    const there = files.claim(path, own);
    if (there === undefined) return { claimed: true };
    const [pid, startTime = 'none'] = there.split(' ');
    if (startTimeOf(processes, Number(pid)) === startTime) return { claimed: false, other: Number(pid) };
    files.remove(path);
    const faster = files.claim(path, own);
    return faster === undefined ? { claimed: true } : { claimed: false, other: Number.parseInt(faster, 10) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    // No reason not to finish: what is not finished is lost when its holder ends.
    log.warn(`${path} cannot be made (${errno}): nothing keeps others from finishing this dump, too`);
    return { claimed: false };
  }
}
