/**
 * Names for files that come back. Their old names were chosen in a container, so anybody may have chosen
 * them: to act on a terminal, to look like another name, or to be an option of the next command.
 */
import { isPrintable } from './printable.js';

/** Source: linux/limits.h, NAME_MAX. Room is left for a suffix. */
const mostBytes = 220;

/**
 * A name that is harmless to type and to list. A byte that is not is shown as `%NN`, as in a URL, so that
 * different names stay different.
 */
export function safeName(name: Buffer): string {
  let safe = '';
  for (const character of charactersOf(name)) {
    const text = character.toString('utf8');
    const isWhole = Buffer.from(text, 'utf8').equals(character);
    const isFine = isWhole && isPrintable(text) && !/[%\\/]/.test(text) && !(safe === '' && isRisky(name));
    const next = isFine ? text : Array.from(character, escapeByte).join('');
    if (Buffer.byteLength(safe + next) > mostBytes) break;
    safe += next;
  }
  return safe === '' ? 'unnamed' : safe;
}

/** The folders of a path and its base name, each of them harmless. */
export function safePath(path: Buffer): { folder: string; name: string } {
  const parts = splitAtSlash(path).filter(part => part.length > 0);
  const names = parts.map(safeName);
  return { folder: names.slice(0, -1).join('/'), name: names.at(-1) ?? 'unnamed' };
}

/**
 * True for a name that a command would take for an option, for `.` and `..`, and for names that we give to
 * files which are not finished.
 */
function isRisky(name: Buffer): boolean {
  const text = name.toString('latin1');
  return text.startsWith('-') || text === '.' || text === '..' || text.startsWith('.ghostkeep-');
}

const escapeByte = (byte: number) => `%${byte.toString(16).padStart(2, '0')}`;

/** Splits bytes where a character of UTF-8 begins; a byte that is no UTF-8 stands alone. */
function* charactersOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes[at] ?? 0);
    const piece = bytes.subarray(at, at + length);
    const isWhole = Buffer.from(piece.toString('utf8'), 'utf8').equals(piece);
    yield isWhole ? piece : bytes.subarray(at, at + 1);
    at += isWhole ? piece.length : 1;
  }
}

/** Source: utf-8(7) */
const lengthOf = (first: number) => (first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1);

function splitAtSlash(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start <= path.length; ) {
    const end = path.indexOf('/', start);
    parts.push(path.subarray(start, end < 0 ? path.length : end));
    start = end < 0 ? path.length + 1 : end + 1;
  }
  return parts;
}
