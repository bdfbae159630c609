import { errnoOf, GhostkeepError } from '../base/errors.js';
import { finisherName } from '../image/layout.js';
import type { Context } from './context.js';

/**
 * Two that finish one dump would take each other's images away: the second is refused while the first lives.
 * @throws SEAL_FAILED
 */
export async function asOnlyFinisher<T>(
  context: Context,
  images: string,
  work: () => Promise<T>,
): Promise<T> {
  const { files, processes } = context.host;
  const path = `${images}/${finisherName}`;
  const self = processes.self();
  for (let tries = 0; !mayCreate(context, path); tries += 1) {
    const [pid, startTime] = files.readIfThere(path)?.toString('latin1').trim().split(' ') ?? [];
    if (tries > 0 || isAlive(context, Number(pid), startTime)) {
      const where = files.realPath(images);
      throw new GhostkeepError(
        'SEAL_FAILED',
        where,
        `cannot finish ${where}: process ${pid} is doing that; when it has ended, \`ghostkeep seal -D ${where}\``,
      );
    }
    files.remove(path);
  }
  try {
    files.replace(path, Buffer.from(`${self} ${processes.startTime(self)}\n`), false);
    return await work();
  } finally {
    files.remove(path);
  }
}

function mayCreate({ host: { files } }: Context, path: string): boolean {
  try {
    files.close(files.create(path));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function isAlive({ host: { processes } }: Context, pid: number, startTime: string | undefined): boolean {
  try {
    return processes.startTime(pid) === startTime;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
