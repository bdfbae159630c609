/**
 * The user who starts us names the image directory, and we follow links on the way to it. But anybody may
 * write inside it: our working folder there could be a link to another folder, or become one at any time. So
 * we open that folder first without following a link, and name each file below its descriptor.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import { ask } from '../native/call.js';
import { naming, pathOnly } from './open-regular.js';

const { O_DIRECTORY, O_NOFOLLOW } = fs.constants;

/** BASE, folders of ours below it, and a name: `images`, `ghostkeep`, `journal.json`. */
const ourPath = /^(.*?)\/(ghostkeep(?:\/arrived|\/rehearsal(?:\/ghostkeep)?)?)\/([^/]+)$/s;
/** Only root writes to /etc, so a folder `ghostkeep` in it may be a link. */
const trusted = '/etc';

/**
 * ACT on FILE by a path that nobody can redirect.
 * @throws IMAGE_INVALID where one of our folders is not a folder
 */
export function inPlace<T>(file: string, act: (place: string) => T): T {
  const [, base, folders, name] = ourPath.exec(file) ?? [];
  if (base === undefined || folders === undefined || base === trusted) return act(file);
  if (held?.folder === `${base}/${folders}`) return naming(file, `/proc/self/fd/${held.fd}/${name}`, act);
  const fd = openFolders(base || '/', folders.split('/'));
  try {
    return naming(file, `/proc/self/fd/${fd}/${name}`, act);
  } finally {
    fs.closeSync(fd);
  }
}

/** The folder that a caller of holdFolder works in, and our descriptor of it. */
let held: { folder: string; fd: number } | undefined;

/** See Files.holding. */
export function holdFolder<T>(path: string, work: () => T): T {
  const [, base, folders] = ourPath.exec(`${path}/.`) ?? [];
  const fd = base === undefined || folders === undefined ? undefined : openIfThere(base, folders);
  if (fd === undefined) return work();
  const outer = held;
  held = { folder: `${base}/${folders}`, fd };
  try {
    return work();
  } finally {
    held = outer;
    fs.closeSync(fd);
  }
}

function openIfThere(base: string, folders: string): number | undefined {
  try {
    return openFolders(base || '/', folders.split('/'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Like inPlace, but for work on the contents of a folder. */
export function inFolder<T>(folder: string, act: (place: string) => T): T {
  return inPlace(`${folder}/.`, act);
}

/** See Files.renameMany. One call for all saves the way to both folders, which takes as long as a rename. */
export function renameMany(files: readonly (readonly [from: string, to: string])[]): number {
  const [first] = files;
  if (!first) return 0;
  const [from, to] = [path.dirname(first[0]), path.dirname(first[1])];
  const end = files.findIndex(pair => !pair[0].startsWith(`${from}/`) || !pair[1].startsWith(`${to}/`));
  const some = end < 0 ? files : files.slice(0, end);
  const names = some.map(pair => `${pair[0].slice(from.length + 1)}\0${pair[1].slice(to.length + 1)}\0`);
  const done = new Uint32Array(1);
  const fds: number[] = [];
  try {
    for (const folder of [from, to])
      fds.push(inFolder(folder, at => fs.openSync(at, pathOnly | fs.constants.O_DIRECTORY)));
    ask('gk_rename_many', fds[0], fds[1], some.length, Buffer.from(names.join('')), done);
  } catch (error) {
    // The caller renames the next file itself and meets the error.
    if (errnoOf(error) === undefined) throw error;
  } finally {
    for (const fd of fds) fs.closeSync(fd);
  }
  return done[0] ?? 0;
}

function openFolders(base: string, names: readonly string[]): number {
  let [fd, path] = [-1, base];
  try {
    for (const name of names) {
      const next = openFolder(fd < 0 ? base : `/proc/self/fd/${fd}`, name, `${path}/${name}`);
      if (fd >= 0) fs.closeSync(fd);
      [fd, path] = [next, `${path}/${name}`];
    }
    return fd;
  } catch (error) {
    if (fd >= 0) fs.closeSync(fd);
    throw error;
  }
}

function openFolder(parent: string, name: string, path: string): number {
  try {
    return naming(path, `${parent}/${name}`, place =>
      fs.openSync(place, pathOnly | O_DIRECTORY | O_NOFOLLOW),
    );
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR' || !isThere(`${parent}/${name}`)) throw error;
    throw new GhostkeepError(
      'IMAGE_INVALID',
      path,
      `cannot use ${path}: it is a symbolic link or not a folder, and ghostkeep follows no link in an image directory; if the link is the image directory itself, give the path that it leads to`,
      { cause: error },
    );
  }
}

/**
 * Is there anything at PLACE? The answer is no where something on the way to it is not a folder. Then the
 * path that the user gave is wrong, and the image directory is not to blame.
 */
function isThere(place: string): boolean {
  try {
    return fs.lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
