/**
 * Files on servers: NFS, FUSE and their like. The kernel remembers some of their attributes, but a link count
 * that it remembers is no proof, since another client may have removed the last name. So we ask the server
 * about each such file once more, with a deadline. A server that is dead, stopped or frozen then hides its
 * own mount and nothing else.
 */

import { errnoOf, silentServer } from '../../base/errors.js';
import { fuseMagic } from '../../base/filesystems.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Answer, ProcessView } from '../../base/host/host.js';
import { internalName, stripDeleted } from '../links.js';
import type { Seen } from '../seen.js';

export interface Verdicts {
  /** @throws an errno error where the holder has ended, or a server on the path is silent */
  answered(seen: Seen, answer: Answer): void;
  failed(seen: Seen, error: unknown): void;
}

export class OnServers {
  readonly #waiting: Seen[] = [];
  /**
   * True where a server was silent. Then the files of its mount, and paths over that mount, must not be
   * touched.
   */
  areSilent = false;

  constructor(private readonly processes: ProcessView) {}

  /** @returns false where the file is on this machine, so that the kernel's attributes are right */
  take(seen: Seen): boolean {
    if (!isRegular(seen.stat.mode) || !this.processes.isOnServer(seen.stat)) return false;
    // A memfd and similar files lie on a kernel mount that no process can see.
    if (seen.stat.nlink === 0 && internalName(stripDeleted(this.#name(seen)))) return false;
    this.#waiting.push(seen);
    return true;
  }

  /**
   * Ask about all files that were taken, one mount after the other.
   * @param servesFuse one of the processes is a FUSE server
   */
  askAll(servesFuse: boolean, alive: () => void, verdicts: Verdicts): void {
    for (const ofMount of this.#byMount().values()) {
      alive();
      const first = ofMount[0] as Seen;
      const { name, filesystem } = this.#mountOf(first);
      if (servesFuse && filesystem.startsWith('fuse')) {
        // The server may be one of these processes, and frozen. So it is asked nothing, not even statfs(2).
        for (const seen of ofMount) decide(seen, { stat: seen.stat, magic: fuseMagic }, verdicts);
        continue;
      }
      const answers = this.processes.askServers(first.stat.mountId ?? 0, ofMount);
      for (const [index, seen] of ofMount.entries()) {
        const answer = answers[index];
        if (answer === undefined) verdicts.failed(seen, silentServer(name, filesystem));
        else if ('error' in answer) verdicts.failed(seen, answer.error);
        else decide(seen, answer, verdicts);
      }
      this.areSilent ||= answers.includes(undefined);
    }
  }

  #byMount(): Map<string, Seen[]> {
    const mounts = new Map<string, Seen[]>();
    for (const seen of this.#waiting) {
      const key = `${seen.stat.mountId} ${seen.stat.dev}`;
      const others = mounts.get(key);
      if (others) others.push(seen);
      else mounts.set(key, [seen]);
    }
    return mounts;
  }

  #name({ pid, link, look }: Seen): Buffer {
    try {
      return look?.target ?? this.processes.readLink(pid, link);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return Buffer.alloc(0);
    }
  }

  #mountOf({ pid, stat: { mountId } }: Seen): { name: string; filesystem: string } {
    try {
      const mount = this.processes.mounts(pid).find(({ id }) => id === mountId);
      if (mount) return { name: mount.mountPoint.toString('utf8'), filesystem: mount.filesystem };
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
    return { name: `mount ${mountId}, which is in no mount namespace here,`, filesystem: 'unknown' };
  }
}

/** One file that cannot be judged does not end the search. */
function decide(seen: Seen, answer: Answer, verdicts: Verdicts): void {
  try {
    verdicts.answered(seen, answer);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    verdicts.failed(seen, error);
  }
}
