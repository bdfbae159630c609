/**
 * Searches a folder that a container may change meanwhile. Each folder is opened by its name below the one
 * before it, and no link is followed, so the search never leaves the folder. No file is opened, and no other
 * mount is entered.
 */
import fs from 'node:fs';
import { errnoOf } from '../base/errors.js';
import type { Found } from '../base/host/testbed.js';
import { entriesOf } from './engine/read-folder.js';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
/** The search goes this many levels deep. Each level holds a descriptor open. */
const mostLevels = 200;

/** @param most names to look at. @throws an errno error where FOLDER itself cannot be opened */
export function findBelow(folder: string, pattern: RegExp, most: number): Found {
  const top = open(folder);
  const search: Search = { pattern, left: most, dev: fs.fstatSync(top, { bigint: true }).dev, names: [] };
  try {
    look(search, top, '');
  } finally {
    fs.closeSync(top);
  }
  return { names: search.names, looked: most - search.left, complete: search.left > 0 };
}

interface Search {
  pattern: RegExp;
  left: number;
  dev: bigint;
  names: string[];
}

const open = (folder: string) => fs.openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);

function look(search: Search, fd: number, above: string, level = 0): void {
  const below: string[] = [];
  for (const entry of entriesOf(fd)) {
    if (search.left <= 0) break;
    search.left -= 1;
    const name = entry.name.toString();
    // Where the file system does not say what an entry is, opening it as a folder tells.
    if (entry.kind === 'folder' || entry.kind === undefined) below.push(name);
    if (entry.kind !== 'folder' && search.pattern.test(name)) search.names.push(`${above}${name}`);
  }
  for (const name of below) if (search.left > 0 && level < mostLevels) enter(search, fd, name, above, level);
}

/** Looks into a folder. If the folder is gone by now, or we may not read it, we go on without it. */
function enter(search: Search, fd: number, name: string, above: string, level: number): void {
  let inner: number;
  try {
    inner = open(`/proc/self/fd/${fd}/${name}`);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return;
  }
  try {
    if (fs.fstatSync(inner, { bigint: true }).dev === search.dev)
      look(search, inner, `${above}${name}/`, level + 1);
  } finally {
    fs.closeSync(inner);
  }
}
