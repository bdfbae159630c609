/** Sentences about a dump that `show` prints and its page shows. */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { counted } from '../../base/text/counted.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { hasGiven, takersOf } from '../../chain/given.js';
import { type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { whereMoved } from '../../image/manifest.js';

/** `packed: 64 KiB here, 1.9 MiB in ../older` */
export function packedInWords({ layer }: PackedGhost, { parent }: Pick<Manifest, 'parent'>): string {
  const [here, above] = [layer.dataBytes, layer.parentBytes].map(count => showBytes(countFromJson(count)));
  return `packed: ${here} here, ${layer.parent ? `${above} in ${parent?.path}` : 'and nothing in a parent'}`;
}

/**
 * `gave up 64 KiB of its data to /newer: it cannot be restored from here`; undefined where it has given up
 * nothing.
 * @param where the directory of the dump
 */
export function givenInWords(ghost: PackedGhost, where: string): string | undefined {
  if (!hasGiven(ghost)) return undefined;
  const { layer } = ghost;
  const [size, below] = [countFromJson(ghost.size), countFromJson(layer.moved?.below ?? 0) * 65536n];
  const what = [
    ...(layer.given ? [`${showBytes(countFromJson(layer.given.bytes))} of its data`] : []),
    ...(layer.moved ? [`the first ${showBytes(below < size ? below : size)} of the file`] : []),
  ];
  const takers = takersOf(ghost, where).join(', ');
  return `gave up ${what.join(' and ')} to ${takers}: it cannot be restored from here`;
}

/**
 * Can the dump be used as it lies here, and what does that need?
 * @param where the directory of the dump
 */
export function useInWords(manifest: Manifest, where: string): { text: string; isWarning: boolean } {
  const it = manifest.criu ? 'This checkpoint' : 'This dump';
  const moved = whereMoved(manifest);
  if (moved !== undefined) return { text: sentence(moved), isWarning: true };
  const packed = packedGhosts(manifest);
  const given = packed.filter(hasGiven);
  if (given.length > 0) {
    const takers = showSome([...new Set(given.flatMap(ghost => takersOf(ghost, where)))]);
    const text = `${it} cannot be used any more: ${counted(given.length, 'ghost')} gave up bytes to ${takers}. A restore is refused.`;
    return { text, isWarning: true };
  }
  if (packed.length > 0) {
    const text = `${it} needs ${manifest.parent?.path ?? 'its parent'}, where parts of ${counted(packed.length, 'ghost')} lie. CRIU cannot restore it until \`ghostkeep materialize\` has made it stand alone again.`;
    return { text, isWarning: false };
  }
  return { text: `${it} stands alone: a restore needs no other checkpoint.`, isWarning: false };
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
