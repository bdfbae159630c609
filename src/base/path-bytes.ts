/**
 * Paths are bytes, JSON and terminals want text. Where a path is UTF-8, printable and without a backslash the
 * text is the path; elsewhere the text is an escape for people, and the bytes travel beside it in base64.
 */

import { isUtf8 } from 'node:buffer';
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

export function pathFromText(text: PathText): Buffer {
  return text.pathBytes === undefined
    ? Buffer.from(text.path, 'utf8')
    : Buffer.from(text.pathBytes, 'base64');
}

function escapeBytes(bytes: Buffer): string {
  let out = '';
  for (const byte of bytes) {
    out += byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : escapeByte(byte);
  }
  return out;
}
