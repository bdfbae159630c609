/** The frame `patch`: a range of a ghost, and the pages of it that the receiver lacks. */
import type { Patch } from '../base/host/host.js';
import { streamError } from './frames.js';

export const patchHeadBytes = 64;
const runBytes = 8;
const pageBytes = 4096;
/** One frame has at most this many pages. */
const mostPages = 192;

/** @throws MOVE_STREAM where the runs do not ascend, leave the range, or have other bytes than came */
export function decodePatch(payload: Buffer): Patch {
  const [offset, length] = [payload.readBigUInt64LE(8), payload.readBigUInt64LE(16)];
  const count = payload.readUInt32LE(56);
  if (count === 0 || count > mostPages || payload.readUInt32LE(60) !== 0)
    throw streamError(`a patch has ${count} runs of pages`);
  const runsEnd = patchHeadBytes + count * runBytes;
  if (payload.length < runsEnd) throw streamError('a patch ends inside its list of runs');
  const runs = payload.subarray(patchHeadBytes, runsEnd);
  const bytes = payload.subarray(runsEnd);
  if (bytes.length !== bytesOf(runs, Number(length)))
    throw streamError(`a patch has ${bytes.length} bytes, and its runs have others`);
  return { offset, length, digest: payload.subarray(24, 56), runs, bytes };
}

/** @param length of the range, which a run of pages may leave only inside its last page */
function bytesOf(runs: Buffer, length: number): number {
  let [pages, next, bytes] = [0, 0, 0];
  for (let at = 0; at < runs.length; at += runBytes) {
    const [first, count] = [runs.readUInt32LE(at), runs.readUInt32LE(at + 4)];
    const [from, to] = [first * pageBytes, (first + count) * pageBytes];
    if (count === 0 || first < next || to - length >= pageBytes)
      throw streamError(`a patch has ${count} pages where there are none`);
    bytes += Math.min(to, length) - from;
    pages += count;
    next = first + count;
  }
  if (pages > mostPages) throw streamError(`a patch has ${pages} pages`);
  return bytes;
}
