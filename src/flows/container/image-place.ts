/**
 * Where an engine will put the images of a container's next checkpoint. The engine's API does not tell this,
 * so we read it from the command lines and environments of the engine's processes.
 */
import path from 'node:path';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { type Monitor, parseMonitor } from '../../oci/monitor.js';
import type { Context } from '../context.js';

export interface ImagePlace {
  engine: Monitor['engine'];
  /** Absolute. It exists, and the engine will make a folder for the images in it. */
  folder: string;
  /** The folder is this container's alone, and goes with it. */
  own: boolean;
}

/**
 * Finds the place from the processes of one container.
 * @param what the container, for messages
 * @throws NO_IMAGE_PLACE with the reason, if no engine that we know started them, or its place cannot be
 * known
 */
export function findImagePlace({ host }: Context, pids: readonly number[], what: string): ImagePlace {
  const monitors = findMonitors(host, pids);
  const places = [...new Map(monitors.map(monitor => placeOf(host, what, monitor)).map(keyed)).values()];
  const [place] = places;
  if (place === undefined)
    throw unknown(
      what,
      'no monitor of containerd, Podman or CRI-O is above its processes; runc and crun put images where each command says',
    );
  if (places.length > 1)
    throw unknown(
      what,
      `its processes belong to several containers: ${places.map(({ folder }) => folder).join(', ')}`,
    );
  return place;
}

function keyed(place: ImagePlace): [string, ImagePlace] {
  return [`${place.engine} ${place.folder}`, place];
}

/**
 * Goes up from each process to its nearest monitor, if it has one. A process of the container may give itself
 * a monitor's command line, so we trust only processes outside the container (isTrusted).
 */
export function findMonitors(host: Host, pids: readonly number[]): Monitor[] {
  const { processes } = host;
  const seen = new Set<number>();
  return pids.flatMap(start => {
    for (let pid = start; pid > 0 && !seen.has(pid); ) {
      seen.add(pid);
      try {
        const monitor = isTrusted(host, pid) ? parseMonitor(processes.commandLine(pid)) : undefined;
        if (monitor) return [monitor];
        pid = processes.parent(pid);
      } catch (error) {
        // The process has ended, or we may not look at it.
        if (errnoOf(error) === undefined) throw error;
        return [];
      }
    }
    return [];
  });
}

/**
 * True for a process of root or of our own user that sees the same mounts as we. No process of a container
 * does: it has a mount namespace of its own. A path that the process names means the same file to us.
 */
function isTrusted({ processes, uid }: Host, pid: number): boolean {
  const owner = processes.uid(pid);
  return (
    (owner === 0 || owner === uid()) &&
    processes.mountNamespace(pid) === processes.mountNamespace(processes.self())
  );
}

function placeOf(host: Host, what: string, monitor: Monitor): ImagePlace {
  const { engine } = monitor;
  const folder =
    monitor.engine === 'containerd' ? temporaryFolder(host, what, monitor.socket) : monitor.folder;
  if (!path.isAbsolute(folder)) throw unknown(what, `${engine} names the folder ${JSON.stringify(folder)}`);
  assertThere(host, what, engine, folder);
  return { engine, folder: path.normalize(folder), own: engine !== 'containerd' };
}

/**
 * containerd makes a folder for each checkpoint in its temporary folder, for ctr, Docker and the CRI alike.
 * No setting of its config.toml changes that. Source: containerd, plugins/services/tasks/local.go
 * (Checkpoint); Go, os.MkdirTemp and os.TempDir.
 */
function temporaryFolder(host: Host, what: string, socket: string): string {
  const { processes } = host;
  try {
    const pid = processes.listener(socket);
    if (!isTrusted(host, pid))
      throw unknown(
        what,
        `containerd (process ${pid}) is another user's, or sees other mounts than ghostkeep`,
      );
    return processes.environment(pid, 'XDG_RUNTIME_DIR') || processes.environment(pid, 'TMPDIR') || '/tmp';
  } catch (error) {
    if (error instanceof GhostkeepError) throw error;
    throw unknown(what, `containerd does not answer on ${socket}: ${reasonOf(error)}`, error);
  }
}

/** The folder must exist. The question never waits for a file server that is dead. */
function assertThere({ processes }: Host, what: string, engine: string, folder: string): void {
  const self = processes.self();
  let reason = 'it does not exist';
  try {
    if (processes.inTurn([self], () => processes.statInRoot(self, Buffer.from(folder)))) return;
  } catch (error) {
    reason = reasonOf(error);
  }
  throw unknown(what, `${engine} puts them into ${folder}, and ${reason}`);
}

function unknown(what: string, reason: string, cause?: unknown): GhostkeepError {
  return new GhostkeepError(
    'NO_IMAGE_PLACE',
    what,
    `cannot tell where the images of ${what} will lie: ${reason}; give -D, a directory on the same file system`,
    { cause },
  );
}
