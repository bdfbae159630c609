/**
 * Names of extended attributes are bytes, and keys of a JSON object are text. In a name that is not UTF-8
 * each byte above 0x7f becomes a lone surrogate, U+DC80 to U+DCFF, as in Python's surrogateescape (PEP 383).
 * No UTF-8 text contains one, and JSON writes it as \udcXX.
 */
import { isUtf8 } from 'node:buffer';
import { GhostkeepError } from '../errors.js';

const surrogates = 0xdc00;
/** Source: xattr(7), linux/limits.h, XATTR_NAME_MAX. */
const mostBytes = 255;

export function nameToText(name: Buffer): string {
  if (isUtf8(name)) return name.toString('utf8');
  return Array.from(name, byte => String.fromCharCode(byte < 0x80 ? byte : surrogates + byte)).join('');
}

/**
 * Anybody may have written the text, and checking the text proves nothing about its bytes. Decode first, then
 * check the bytes.
 * @throws BAD_INPUT for any text that nameToText never gives
 */
export function nameFromText(text: string): Buffer {
  const bytes = /\p{Surrogate}/u.test(text)
    ? Buffer.from(Array.from(text, character => character.charCodeAt(0) & 0xff))
    : Buffer.from(text, 'utf8');
  // The line above has cut the upper bits off a character that is neither ASCII nor an escaped byte.
  // nameToText then gives another character for it, and the text is refused.
  if (bytes.length > 0 && bytes.length <= mostBytes && !bytes.includes(0) && nameToText(bytes) === text)
    return bytes;
  const shown = JSON.stringify(text.slice(0, mostBytes));
  throw new GhostkeepError('BAD_INPUT', shown, `${shown} stands for no name of an extended attribute`);
}
