import type { FdLook, FileMap, FileStat } from '../base/host/host.js';
import type { Holder } from './ghost.js';
import { fdHolder, linkHolder } from './links.js';

/** A file that was looked at through one of its holders' links. */
export interface Seen {
  pid: number;
  /** The name of the link in the `unseen` of a scan: `fd 3`. */
  what: string;
  link: string;
  /** Attributes as the kernel remembers them. */
  stat: FileStat;
  /** One of `look`, `map` and `via` is set: it tells what holds the file. */
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
