import type { Manifest } from '../base/documents/generated/manifest.js';
import { counted } from '../base/text/counted.js';

/** `2 ghosts and 1 file with other names`. The content of such a file is not copied. */
export function countGhosts({ ghosts, links = [] }: Pick<Manifest, 'ghosts' | 'links'>): string {
  // Most checkpoints have no links, and a container may be frozen while we count.
  const others = links.length === 0 ? 0 : countOthers(ghosts, links);
  return `${counted(ghosts.length, 'ghost')}${others === 0 ? '' : ` and ${countFiles(others)} with other names`}`;
}

function countOthers(ghosts: Manifest['ghosts'], links: NonNullable<Manifest['links']>): number {
  const copied = new Set(ghosts.flatMap(({ key }) => key));
  return new Set(links.map(({ key }) => key).filter(key => !copied.has(key))).size;
}

/** How many ghosts have no checksum of their content. Each unit of a packed ghost has one. */
export function countUnchecked({ ghosts }: Manifest): number {
  return ghosts.filter(({ data, layer }) => layer === undefined && data?.digest === undefined).length;
}

export function countFiles(count: number): string {
  return counted(count, 'file');
}
