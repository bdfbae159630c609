/** What the hooks and the gate tell each other about a container: one small file, named by its id. */
import { bounds } from '../../base/bounds.js';
import { parseDocument } from '../../base/documents/document.js';
import type { Session } from '../../base/documents/generated/session.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { isDirectory } from '../../base/host/file-type.js';
import type { FileStat, Host, ProcessView } from '../../base/host/host.js';
import type { Context } from '../context.js';

export type { Session };

/**
 * Records of root lie in /run; those of a user in the user's own part of it, or in /tmp where there is none.
 */
function sessionsFolder(host: Host): string {
  if (host.uid() === 0) return '/run/ghostkeep/sessions';
  const own = `/run/user/${host.uid()}`;
  return host.files.exists(own) ? `${own}/ghostkeep/sessions` : `/tmp/ghostkeep-${host.uid()}/sessions`;
}

/** Ids come from parsed states: their pattern allows no slash and no leading dot. */
function sessionPath(host: Host, id: string): string {
  return `${sessionsFolder(host)}/${id}.json`;
}

export function readSession(context: Context, id: string): Session | undefined {
  const { host } = context;
  if (!mayUseFolder(context)) return undefined;
  const path = sessionPath(host, id);
  const bytes = host.files.readIfThere(path, bounds.session);
  return bytes && parseDocument<Session>('Session', bytes.toString('utf8'), path, 'BAD_INPUT');
}

export function writeSession({ host }: Context, session: Session): void {
  const folder = sessionsFolder(host);
  // Before, too: a link of somebody else's would lead us to make a folder elsewhere.
  assertPrivate(host, folder);
  host.files.makeDirectory(folder, 0o700);
  assertPrivate(host, folder);
  host.files.replace(
    sessionPath(host, session.container),
    Buffer.from(`${JSON.stringify(session, null, 1)}\n`),
    { durable: false },
  );
}

/** The gate's record for poststop. That it cannot be kept is no failure of the dump. */
export function rememberImages(context: Context, session: Session, images: string): void {
  keepSession(context, { ...session, images });
}

/**
 * Without a record the host's policy applies at the next checkpoint: worth a warning, not a container that
 * does not start.
 */
export function keepSession(context: Context, session: Session): void {
  try {
    writeSession(context, session);
  } catch (error) {
    context.log.warn(`cannot keep a session record: ${reasonOf(error)}`, { container: session.container });
  }
}

export function closeSession(context: Context, id: string): void {
  if (mayUseFolder(context)) context.host.files.remove(sessionPath(context.host, id));
}

/**
 * The session of the container whose first process is PID; a record that cannot be read is passed over, with
 * a warning.
 */
export function findSession(context: Context, pid: number): Session | undefined {
  const { host, log } = context;
  const startTime = startTimeOf(host.processes, pid);
  if (startTime === undefined) return undefined;
  if (!mayUseFolder(context)) return undefined;
  for (const name of listSessions(host)) {
    try {
      const session = readSession(context, name.slice(0, -'.json'.length));
      if (session?.pid === pid && session.startTime === startTime) return session;
    } catch (error) {
      log.warn(`cannot read session ${name}, passing it over: ${(error as Error).message}`);
    }
  }
  return undefined;
}

export function startTimeOf(processes: ProcessView, pid: number): string | undefined {
  try {
    return processes.startTime(pid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function listSessions(host: Host): string[] {
  try {
    return host.files.list(sessionsFolder(host)).filter(name => name.endsWith('.json'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A record says what is sealed where, so that somebody else's is never obeyed. */
function mayUseFolder({ host, log }: Context): boolean {
  try {
    assertPrivate(host, sessionsFolder(host));
    return true;
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    log.warn(error.message);
    return false;
  }
}

/**
 * Anyone can make a folder in /tmp first. So the folder is ours and nobody else may write to it; each folder
 * above it is ours or root's, and in one that others may write to, the sticky bit keeps them from renaming
 * ours. A folder that is not there yet is no danger.
 */
function assertPrivate(host: Host, folder: string): void {
  const names = folder.slice(1).split('/');
  for (const depth of names.keys()) {
    const path = `/${names.slice(0, depth + 1).join('/')}`;
    const stat = statIfThere(host, path);
    if (!stat) return;
    const isLast = path === folder;
    const isShared = (stat.mode & 0o022) !== 0 && (isLast || (stat.mode & sticky) === 0);
    const isTrusted = stat.uid === host.uid() || (stat.uid === 0 && !isLast);
    if (isDirectory(stat.mode) && isTrusted && !isShared) continue;
    throw new GhostkeepError(
      'PERMISSION',
      path,
      `cannot use session records in ${folder}: ${path} is no folder, belongs to somebody else, or others may write to it; remove it, or correct its owner and mode`,
    );
  }
}

const sticky = 0o1000; // S_ISVTX. Source: inode(7)

function statIfThere({ files }: Host, path: string): FileStat | undefined {
  try {
    return files.statPath(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
