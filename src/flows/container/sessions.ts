/**
 * Session records: the hooks and the gate share what they know of a container in one small file, named by its
 * id.
 */
import { bounds } from '../../base/bounds.js';
import { parseDocument } from '../../base/documents/document.js';
import type { Session } from '../../base/documents/generated/session.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { isDirectory } from '../../base/host/file-type.js';
import type { FileStat, Host, ProcessView } from '../../base/host/host.js';
import type { Context } from '../context.js';

export type { Session };

/**
 * Root's records lie in /run. A user's records lie in the user's own folder in /run/user, or in /tmp if that
 * folder does not exist.
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
  // We check before we make the folder, too: through somebody else's link we would make it elsewhere.
  assertPrivate(host, folder);
  host.files.makeDirectory(folder, 0o700);
  assertPrivate(host, folder);
  host.files.replace(
    sessionPath(host, session.container),
    Buffer.from(`${JSON.stringify(session, null, 1)}\n`),
    { durable: false },
  );
}

/** Keeps the gate's record for poststop. If it cannot be kept, the dump still succeeds. */
export function rememberImages(context: Context, session: Session, images: string): void {
  keepSession(context, { ...session, images });
}

/**
 * Without a record the host's policy applies at the next checkpoint. That deserves a warning; it is no reason
 * to keep the container from starting.
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
 * Finds the session of the container whose first process is PID. A record that cannot be read is skipped with
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

/** Ids of containers whose process has ended, and whose poststop hook nobody has called. */
export function endedSessions(context: Context): string[] {
  if (!mayUseFolder(context)) return [];
  return listSessions(context.host).flatMap(name => {
    const id = name.slice(0, -'.json'.length);
    try {
      const session = readSession(context, id);
      const isLiving = startTimeOf(context.host.processes, session?.pid ?? 0) === session?.startTime;
      return session === undefined || isLiving ? [] : [id];
    } catch (error) {
      context.log.warn(`cannot read session ${name}, passing it over: ${reasonOf(error)}`);
      return [];
    }
  });
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

/** A record says which directory to seal, so we never obey one that somebody else may have written. */
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
 * Anybody can make a folder in /tmp before we do. So the folder must be ours, and nobody else may write to
 * it. Each folder above it must be ours or root's; if others may write to one of these, its sticky bit must
 * keep them from renaming our folder. A folder that does not exist yet is no danger.
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
