/**
 * Which names a sender may give to files. CRIU's images have plain names, and so has the manifest. All other
 * names that begin with ours are the receiver's own.
 */
import { manifestName } from '../image/layout.js';

const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
/** CRIU makes a link or a folder of this name, so no file may take its place. */
const folders = new Set(['parent']);

export function isFileName(name: string): boolean {
  if (name === manifestName) return true;
  return plain.test(name) && !name.toLowerCase().startsWith('ghostkeep') && !folders.has(name);
}
