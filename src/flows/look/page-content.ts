/** The page says of each ghost how much of its content there is, and where that lies. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { reasonOf } from '../../base/errors.js';
import { toPrintable } from '../../base/text/printable.js';
import { countFromJson } from '../../base/units.js';
import { hasGiven } from '../../chain/given.js';
import { bytesOf, isPacked, type PackedGhost } from '../../chain/packed.js';
import { isMoved } from '../../image/manifest.js';
import { drawBar } from './bar.js';
import { criuAlone } from './criu-alone.js';
import { givenInWords, packedInWords } from './in-words.js';
import { drawLayer } from './layer-bar.js';
import type { Dump } from './open-dump.js';

export interface Content {
  /** Bytes of data. Undefined if CRIU has dumped the ghost and its image cannot be read. */
  data: number | undefined;
  ranges: number | undefined;
  /** See drawBar and drawLayer. Empty where there is no image to look at. */
  bar: string;
  /** `given`: the ghost has given up bytes to another checkpoint. `criu`: CRIU has dumped it itself. */
  state: 'whole' | 'packed' | 'given' | 'moved' | 'criu' | 'unreadable';
  /** Why it is in this state, where there is something to say. */
  note: string | undefined;
}

/** Reads only the ranges of an image or the map of a layer, and none of the ghost's content. */
export function contentOf(dump: Dump, manifest: Manifest, ghost: ManifestGhost): Content {
  if (isPacked(ghost)) return contentOfPacked(dump, manifest, ghost);
  if (isMoved(ghost)) {
    const data = ghost.data && Number(ghost.data.bytes);
    const note = `its content was sent to ${manifest.moved?.to ?? 'another host'} and is not here`;
    return { data, ranges: undefined, bar: '', state: 'moved', note: toPrintable(note) };
  }
  const { context, images } = dump;
  const { files, engine } = context.host;
  let [ranges, bytes] = [0, 0n];
  function* counted(fd: number) {
    for (const range of engine.chunks(fd)) {
      ranges += 1;
      bytes += range.length;
      yield range;
    }
  }
  try {
    const fd = files.open(`${images}/${ghost.image}`);
    try {
      const allocation = ghost.data?.allocation?.map(({ offset, length }) => ({
        offset: countFromJson(offset),
        length: countFromJson(length),
      }));
      const bar = drawBar(countFromJson(ghost.size), counted(fd), allocation);
      const state = ghost.adopted || manifest.tool === criuAlone ? 'criu' : 'whole';
      return { data: Number(bytes), ranges, bar, state, note: undefined };
    } finally {
      files.close(fd);
    }
  } catch (error) {
    const data = ghost.data && Number(ghost.data.bytes);
    return { data, ranges: undefined, bar: '', state: 'unreadable', note: toPrintable(reasonOf(error)) };
  }
}

function contentOfPacked(dump: Dump, manifest: Manifest, ghost: PackedGhost): Content {
  const packed = `it is ${packedInWords(ghost, manifest)}`;
  const note = toPrintable([packed, givenInWords(ghost, dump.where)].filter(Boolean).join('; it '));
  const state = hasGiven(ghost) ? 'given' : 'packed';
  const rest = { data: Number(bytesOf(ghost)), ranges: undefined };
  try {
    return { ...rest, bar: drawLayer(dump, ghost), state, note };
  } catch (error) {
    return { ...rest, bar: '', state: 'unreadable', note: `${note}; ${toPrintable(reasonOf(error))}` };
  }
}
