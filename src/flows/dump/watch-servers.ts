/**
 * A file server may die after it has answered, and then opening, reading or closing a file on it blocks for
 * ever. So a dump has a deadline for as long as it does any of these.
 */
import type { Ghost } from '../../ghost/ghost.js';
import { folder } from '../../image/layout.js';
import type { Context, Watch } from '../context.js';

const again =
  'dump again when it is back, or with --allow-missing, which leaves out what a silent server has';

/**
 * Watches whether the file servers of GHOSTS still answer, from the first ghost that is opened to the last
 * that is copied. @returns CONTEXT with the watch in it
 */
export function watchServers(
  context: Context,
  ghosts: readonly Ghost[],
  images: string,
): { watched: Context; watch: Watch | undefined } {
  const server = serverOf(context, ghosts);
  if (server === undefined) return { watched: context, watch: undefined };
  const where = context.host.files.realPath(images);
  const watch = context.watch?.({
    subject: server,
    action: `cannot dump ghosts of ${server} into ${where}`,
    wayOut: `nothing is dumped; if its server does not answer, ${again}`,
    folder: `${images}/${folder}`,
  });
  const alive = () => {
    context.alive?.();
    watch?.alive();
  };
  return { watched: { ...context, alive }, watch };
}

/** Watches while GHOSTS are unpinned, because closing a file asks its server as well. */
export function watchUnpin(
  context: Context,
  ghosts: readonly Ghost[],
  images: string,
  isDumped: boolean,
): Watch | undefined {
  const server = serverOf(context, ghosts);
  if (server === undefined) return undefined;
  const where = context.host.files.realPath(images);
  return context.watch?.({
    subject: server,
    action: `cannot close ghosts of ${server}`,
    wayOut: isDumped
      ? `all is copied, and \`ghostkeep seal -D ${where}\` makes it a dump`
      : `nothing is dumped into ${where}`,
  });
}

/** Names the servers' mounts that GHOSTS lie on. @returns undefined if nothing has to be watched */
function serverOf({ watch, host }: Context, ghosts: readonly Ghost[]): string | undefined {
  if (!watch) return undefined;
  const far = ghosts.filter(({ stat }) => host.processes.isOnServer(stat));
  const mounts = new Set(
    far.map(({ mounts: [mount], filesystem }) => {
      const path = mount?.mountPoint?.toString('utf8') ?? 'a mount that is in no mount namespace here';
      return `${path.length > longest ? `${path.slice(0, longest)}…` : path} (${filesystem})`;
    }),
  );
  const [first, ...others] = mounts;
  return others.length === 0 ? first : `${first} and ${others.length} more servers`;
}

/** The message of a deadline is made before it is needed, and has room for a thousand bytes. */
const longest = 120;
