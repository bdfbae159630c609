/**
 * Find the unix sockets that processes have bound in a folder of a shared /dev/shm. CRIU binds a socket again
 * under its name, and fails where the folder is missing. A socket in /dev/shm itself comes back.
 */
import { errnoOf } from '../../base/errors.js';
import type { Identity, ProcessView } from '../../base/host/host.js';
import { fdHolder } from '../links.js';
import type { Lost } from './found.js';
import type { Carrier } from './inside.js';

/** Some 40,000 sockets: those of a whole host, which a container may share. */
const mostBytes = 4 << 20;
/** Inode and path of a socket that is bound two levels or more below /dev. Source: unix(7) */
const pattern = /^[0-9a-f]+: (?:\S+ ){5} *(\d+) (\/dev\/shm\/.+\/.+)$/gm;

/** @param isShared is FILE, as PID sees it, on a shared /dev/shm? */
export function findBoundInFolders(
  processes: ProcessView,
  carriers: readonly Carrier[],
  isShared: (pid: number, file: Identity) => boolean,
): Lost[] {
  const tables = new Map<string, Map<string, Buffer>>();
  return carriers.flatMap(({ pid, fds }) => {
    try {
      const network = processes.readLink(pid, 'ns/net').toString('latin1');
      const table = tables.get(network) ?? readTable(processes, pid);
      tables.set(network, table);
      return table.size === 0 ? [] : fds.flatMap(fd => lookAt(processes, pid, fd, table, isShared));
    } catch (error) {
      // The process has ended.
      if (errnoOf(error) === undefined) throw error;
      return [];
    }
  });
}

/** @returns paths by `socket:[INODE]`, as the link of a descriptor shows a socket */
function readTable(processes: ProcessView, pid: number): Map<string, Buffer> {
  const text = processes.unixSockets(pid, mostBytes);
  return new Map(
    [...text.matchAll(pattern)].map(([, ino = '', path = '']) => [
      `socket:[${ino}]`,
      Buffer.from(path, 'latin1'),
    ]),
  );
}

function lookAt(
  processes: ProcessView,
  pid: number,
  fd: number,
  table: ReadonlyMap<string, Buffer>,
  isShared: (pid: number, file: Identity) => boolean,
): Lost[] {
  const path = table.get(processes.readLink(pid, `fd/${fd}`).toString('latin1'));
  const stat = path && processes.statInRoot(pid, path);
  // A socket whose name was removed, or that is on another mount by now, is left to CRIU.
  if (!stat || !isShared(pid, stat)) return [];
  const folder = path.subarray(0, path.lastIndexOf('/'));
  const why = 'a socket is bound in a folder that is not there in another pod';
  return [{ path, folder, stat, holder: fdHolder(pid, fd, 0, 0n), why }];
}
