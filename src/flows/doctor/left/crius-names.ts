/**
 * Names that CRIU makes in the files of containers, and removes itself unless it is killed. Source: CRIU,
 * criu/files-reg.c: link_remap.ID for --link-remap, and PATH.cr.ID.ghost while a ghost is restored.
 */
import { errnoOf } from '../../../base/errors.js';
import { isThere } from '../../directory/is-there.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

const pattern = /^link_remap\.[0-9]+$|\.cr\.[0-9a-f]+\.ghost$/;
/** Where engines keep what containers write: a folder for each layer, and the layer's files in it. */
const stores: [string, string][] = [
  ['/var/lib/containers/storage/overlay', 'diff'],
  ['/var/lib/docker/overlay2', 'diff'],
  ['/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots', 'fs'],
];
const tops = ['/var/lib/containers', '/var/lib/docker', '/var/lib/containerd'];
/** We look at this many files at most, which takes a second or two on a disk. */
const mostLooked = 200_000;

export interface Crius {
  found: { path: string; isLink: boolean }[];
  looked: number;
  complete: boolean;
}

/** The layers that were changed last are looked at first. */
export function namesOfCriu(context: TestbedContext): Crius {
  const crius: Crius = { found: [], looked: 0, complete: !isClosed(context) };
  for (const folder of layers(context)) {
    try {
      const { names, looked, complete } = context.testbed.findBelow(
        folder,
        pattern,
        mostLooked - crius.looked,
      );
      crius.looked += looked;
      for (const one of names)
        crius.found.push({ path: `${folder}/${one}`, isLink: /(^|\/)link_remap\./.test(one) });
      crius.complete &&= complete;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      crius.complete &&= errnoOf(error) === 'ENOENT';
    }
    if (crius.looked >= mostLooked) return { ...crius, complete: false };
  }
  return crius;
}

/** Only root may enter the folders of engines. */
function isClosed({ host }: TestbedContext): boolean {
  return host.uid() !== 0 && tops.some(folder => host.files.exists(folder));
}

function layers(context: TestbedContext): string[] {
  const { files } = context.host;
  const answering = stores.filter(([store]) => isThere(context, store) === 'yes');
  const all = answering.flatMap(([store, own]) => {
    try {
      return files.list(store).map(layer => `${store}/${layer}/${own}`);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return [];
    }
  });
  const changed = (folder: string) => {
    try {
      return files.statPath(folder).mtimeNs;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  };
  return all
    .map(folder => ({ folder, at: changed(folder) }))
    .filter(({ at }) => at !== undefined)
    .sort((a, b) => Number((b.at ?? 0n) - (a.at ?? 0n)))
    .map(({ folder }) => folder);
}
