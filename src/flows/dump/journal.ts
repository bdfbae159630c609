/** The journal of a dump is a manifest that is not sealed yet. It is written before CRIU gets our answer. */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { parseIdMaps } from '../../base/id-map.js';
import { readInventory } from '../../image/inventory.js';
import { linkedName, pendingName } from '../../image/layout.js';
import type { PinnedGhost } from '../choose/pin.js';
import { namespacesOf } from '../container/namespaces.js';
import type { Context } from '../context.js';
import type { CopyTarget, Elsewhere } from './copy-one.js';
import { attributeRoom, comesBackByName, describeGhost, type Names } from './describe.js';
import type { WarmImages } from './warm-images.js';

export interface DumpRequest extends CopyTarget {
  pids: readonly number[];
  /** Where the content of ghosts goes, if it is not the image directory. */
  elsewhere?: Elsewhere | undefined;
  container?: string;
  /** The images that the warm pass has made, and the bases of rounds. */
  warm?: WarmImages;
  /** See noteEarlierGhosts. */
  earlierGhosts?: readonly number[];
  /** The dump fails if a process runs. */
  requireFrozen?: boolean;
  /** The dump fails if a process that has not ended runs when all is copied. */
  staysFrozen?: boolean;
}

/** @param earlier for each ghost in order, the name of its warm image if it has one */
export function makeJournal(
  context: Context,
  request: DumpRequest,
  pinned: readonly PinnedGhost[],
  names: Names,
  earlier: readonly (string | undefined)[] = [],
): Manifest {
  const { files, processes } = context.host;
  const earlierInventory = request.criu ? readInventory(files, request.images) : undefined;
  // A process whose main thread has ended does not show its maps any more; its thread that holds a ghost
  // does.
  const holders = pinned.flatMap(({ ghost }) => ghost.holders[0]?.pid ?? []);
  const { idMaps, mountNamespace } = namespacesOf(processes, [...request.pids, ...holders]);
  const ids = parseIdMaps(idMaps);
  const room = attributeRoom();
  return {
    format: 'ghostkeep',
    version: 1,
    tool: context.tool,
    state: 'pinned',
    created: context.host.now().toISOString(),
    ...(request.container ? { container: request.container } : {}),
    mountNamespace: mountNamespace !== processes.mountNamespace(processes.self()),
    criu: request.criu,
    ...(request.criu
      ? { heldBy: { pid: processes.self(), startTime: processes.startTime(processes.self()) } }
      : {}),
    ...(earlierInventory ? { earlierInventory } : {}),
    ...(request.earlierGhosts?.length ? { earlierGhosts: [...request.earlierGhosts] } : {}),
    idMaps,
    ghosts: pinned.map((pin, index) => {
      context.alive?.();
      const name = request.criu && comesBackByName(pin.ghost) ? linkedName : pendingName;
      const [id, image] = [index + 1, earlier[index] ?? name(index + 1)];
      const entry = request.prepared?.entryOf(pin, id, image, idMaps);
      return entry ?? describeGhost(context, pin, ids, id, image, room);
    }),
    ...names,
  };
}

/** False where nothing of the dump is ours, so that there is nothing to seal. */
export function hasOurs({
  ghosts,
  links = [],
  renamedFolders = [],
}: Pick<Manifest, 'ghosts'> & Names): boolean {
  return ghosts.length + links.length + renamedFolders.length > 0;
}

/** CRIU's keys of all files that it shall leave to us. */
export function keysOfJournal({ ghosts, links = [] }: Manifest): string[] {
  return [...new Set([...ghosts.flatMap(ghost => ghost.key), ...links.map(link => link.key)])];
}
