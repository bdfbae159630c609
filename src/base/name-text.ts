/**
 * Names of extended attributes are bytes, and keys of a JSON object are text. Where a name is no UTF-8 each byte
 * above 0x7f is a lone surrogate, U+DC80 to U+DCFF, as in Python's surrogateescape (PEP 383): no UTF-8 reads as one,
 * and JSON writes it as \udcXX.
 */
import { isUtf8 } from 'node:buffer';

const surrogates = 0xdc00;

export function nameToText(name: Buffer): string {
  if (isUtf8(name)) return name.toString('utf8');
  return Array.from(name, byte => String.fromCharCode(byte < 0x80 ? byte : surrogates + byte)).join('');
}

export function nameFromText(text: string): Buffer {
  if (!/[\udc80-\udcff]/u.test(text)) return Buffer.from(text, 'utf8');
  return Buffer.from(Array.from(text, character => character.charCodeAt(0) & 0xff));
}
