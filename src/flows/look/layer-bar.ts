/**
 * Shows to scale where the content of a packed ghost lies: here, in the parent, or given up. The map of a
 * layer says it for each unit of 64 KiB. The bar is for the eye, so `verify` alone checks the map.
 * Source: native/engine/layer/layer-format.h
 */
import type { PackedGhost } from '../../chain/packed.js';
import { cover, fullness, pieces, toRuns } from './bar.js';
import type { Dump } from './open-dump.js';

/**
 * A map of this size has records for 11 GiB. No bar is drawn for a larger one; the page still has its
 * numbers.
 */
const mostMapBytes = 8 << 20;
const mostRecordBytes = 1 << 20;
const [headBytes, unitEntryBytes, rangeBytes] = [32, 48, 24];
/** The value in an entry of the map that says that the parent has the unit. */
const inParent = 2;
const unitBytes = 65_536;

/**
 * @returns a bar as drawBar gives it, with `p` for what the parent has and `g` for what was given up; empty
 * where no bar can be drawn
 */
export function drawLayer({ context, images }: Dump, { layer, size }: PackedGhost): string {
  const { files } = context.host;
  const bytes = Number(size);
  if (bytes === 0 || Number(layer.mapBytes) > mostMapBytes) return '';
  const map = files.readStart(`${images}/${layer.map}`, Number(layer.mapBytes));
  const record = layer.given && files.readStart(`${images}/${layer.given.record}`, mostRecordBytes);
  const isGiven = givenUnits(record ?? Buffer.alloc(0), Number(layer.moved?.below ?? 0));
  const [here, parent, given] = [0, 1, 2].map(() => new Float64Array(pieces)) as [Part, Part, Part];
  for (let at = headBytes; at + unitEntryBytes <= map.length; at += unitEntryBytes) {
    const unit = Number(map.readBigUInt64LE(at));
    const part = isGiven(unit) ? given : map.readUInt16LE(at + 10) === inParent ? parent : here;
    cover(part, (unit * unitBytes) / bytes, ((unit + 1) * unitBytes) / bytes);
  }
  return toRuns(Array.from(here, (full, piece) => markOf(full, parent[piece] ?? 0, given[piece] ?? 0)));
}

type Part = Float64Array;

/**
 * @returns a function that says whether a unit was given up. It must be asked for units in ascending order
 */
function givenUnits(record: Buffer, below: number): (unit: number) => boolean {
  let at = headBytes;
  return unit => {
    if (unit < below) return true;
    for (; at + rangeBytes <= record.length; at += rangeBytes) {
      const start = Number(record.readBigUInt64LE(at));
      if (unit < start) return false;
      if (unit < start + Number(record.readBigUInt64LE(at + 8))) return true;
    }
    return false;
  };
}

/** The mark of a piece: what most of it is. */
function markOf(here: number, parent: number, given: number): string {
  if (given > 0 && given >= here && given >= parent) return 'g';
  return parent > here ? 'p' : fullness(here + parent + given);
}
