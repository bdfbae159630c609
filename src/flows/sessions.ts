/** What the hooks and the gate tell each other about a container: one small file, named by its id. */
import { parseDocument } from '../base/documents/document.js';
import type { Session } from '../base/documents/generated/session.js';
import { errnoOf, GhostkeepError, reasonOf } from '../base/errors.js';
import type { Host, ProcessView } from '../base/host.js';
import type { Context } from './context.js';

export type { Session };

/** /run is the host's memory of what runs; without root, the user's own. */
function sessionsFolder(host: Host): string {
  if (host.uid() === 0) return '/run/ghostkeep/sessions';
  const own = `/run/user/${host.uid()}`;
  return host.files.exists(own) ? `${own}/ghostkeep/sessions` : `/tmp/ghostkeep-${host.uid()}/sessions`;
}

/** Ids come from parsed states: their pattern allows no slash and no leading dot. */
function sessionPath(host: Host, id: string): string {
  return `${sessionsFolder(host)}/${id}.json`;
}

export function readSession({ host }: Context, id: string): Session | undefined {
  const path = sessionPath(host, id);
  const bytes = host.files.readIfThere(path);
  return bytes && parseDocument<Session>('Session', bytes.toString('utf8'), path, 'BAD_INPUT');
}

export function writeSession({ host }: Context, session: Session): void {
  const folder = sessionsFolder(host);
  host.files.makeDirectory(folder, 0o700);
  assertPrivate(host, folder);
  host.files.replace(
    sessionPath(host, session.container),
    Buffer.from(`${JSON.stringify(session, null, 1)}\n`),
    false,
  );
}

/** The gate's record for poststop. That it cannot be kept is no failure of the dump. */
export function rememberImages(context: Context, session: Session, images: string): void {
  keepSession(context, { ...session, images });
}

/** Without a record the host's policy applies at the next checkpoint: worth a warning, not a container that does not start. */
export function keepSession(context: Context, session: Session): void {
  try {
    writeSession(context, session);
  } catch (error) {
    context.log.warn(`cannot keep a session record: ${reasonOf(error)}`, { container: session.container });
  }
}

export function closeSession({ host }: Context, id: string): void {
  host.files.remove(sessionPath(host, id));
}

/** The session of the container whose first process is PID; a record that cannot be read is passed over, with a warning. */
export function findSession(context: Context, pid: number): Session | undefined {
  const { host, log } = context;
  const startTime = startTimeOf(host.processes, pid);
  if (startTime === undefined) return undefined;
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

/** In /tmp anyone can make a folder first. */
function assertPrivate(host: Host, folder: string): void {
  const { uid, mode } = host.files.statPath(folder);
  if (uid === host.uid() && (mode & 0o022) === 0) return;
  throw new GhostkeepError(
    'PERMISSION',
    folder,
    `cannot keep session records in ${folder}: it belongs to somebody else or others may write to it; remove it`,
  );
}
