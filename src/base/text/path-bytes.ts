/**
 * Paths are bytes; JSON and terminals want text. Where a path is UTF-8, printable and without a backslash,
 * the text is the path. Otherwise the text is an escaped form for people, and the bytes stand beside it in
 * base64.
 */

import { isUtf8 } from 'node:buffer';
import { GhostkeepError } from '../errors.js';
import { bytesFromBase64 } from './base64.js';
import { escapeByte, isPrintable } from './printable.js';

export interface PathText {
  path: string;
  pathBytes?: string;
}

export function pathToText(bytes: Buffer): PathText {
  const text = bytes.toString('utf8');
  const clean = isUtf8(bytes) && isPrintable(text) && !text.includes('\\');
  return clean ? { path: text } : { path: escapeBytes(bytes), pathBytes: bytes.toString('base64') };
}

/**
 * The bytes of a path. The text beside them is only for people and anybody may have written it, so every
 * check must be made on these bytes.
 * @throws BAD_INPUT where they are no path: no kernel takes a NUL, and a lone surrogate has no bytes
 */
export function pathFromText({ path, pathBytes }: PathText): Buffer {
  const bytes = pathBytes === undefined ? Buffer.from(path, 'utf8') : bytesFromBase64(pathBytes);
  const isWhole = pathBytes !== undefined || !/\p{Surrogate}/u.test(path);
  if (isWhole && !bytes.includes(0)) return bytes;
  const shown = JSON.stringify(path.slice(0, 255));
  throw new GhostkeepError('BAD_INPUT', shown, `${shown} stands for no path`);
}

function escapeBytes(bytes: Buffer): string {
  let out = '';
  for (const byte of bytes) {
    out += byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : escapeByte(byte);
  }
  return out;
}
