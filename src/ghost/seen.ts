import type { FdLook, FileMap, FileStat } from '../base/host/host.js';
import type { Holder } from './ghost.js';
import { fdHolder, linkHolder } from './links.js';

/** A file that was looked at through one of its holders' links. */
export interface Seen {
  pid: number;
  /** In the words of `unseen`: `fd 3`. */
  what: string;
  link: string;
  /** As the kernel remembers it. */
  stat: FileStat;
  /** One of these: by what it is held. */
  look?: FdLook;
  map?: FileMap;
  via?: 'exe' | 'cwd' | 'root';
}

export function holderOfSeen({ pid, link, look, map, via }: Seen): Holder {
  if (look) return fdHolder(pid, look.fd, look.info.flags, look.info.position);
  if (via) return linkHolder(pid, via);
  const { address, writable, shared } = map as FileMap;
  return { pid, via: 'map', link, address, writable, shared };
}
