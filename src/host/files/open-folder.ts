/**
 * Opens a folder to make files in. If somebody replaces this folder, or a folder above it, by a link
 * meanwhile, the files still go into the folder that we opened. Each part of the path is opened separately,
 * below the descriptor of the part before it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf } from '../../base/errors.js';
import { pathOnly } from './open-regular.js';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants;
/** Source: path_resolution(7). */
const mostLinks = 40;
const sticky = 0o1000;
const othersWrite = 0o022;

/** See Files.openFolder. */
export function openFolder(folder: string, uid: number): number {
  let fd = openStart(folder);
  try {
    let waiting = partsOf(folder);
    for (let links = 0; waiting.length > 0; ) {
      const [name = '', ...rest] = waiting;
      const place = `/proc/self/fd/${fd}/${name}`;
      const next = openOrMake(place);
      const stat = fs.fstatSync(next);
      if (stat.isDirectory()) {
        fs.closeSync(fd);
        fd = next;
        waiting = rest;
        continue;
      }
      fs.closeSync(next);
      if (!stat.isSymbolicLink()) throw refused('ENOTDIR', `${name} in ${folder} is not a folder`);
      if (!isOurDoing(fs.fstatSync(fd), stat, uid))
        throw refused('ELOOP', `${name} in ${folder} is a symbolic link that somebody else could have made`);
      if (++links > mostLinks) throw refused('ELOOP', `${folder} has too many symbolic links`);
      const target = fs.readlinkSync(place);
      if (path.isAbsolute(target)) {
        const start = openStart(target);
        fs.closeSync(fd);
        fd = start;
      }
      waiting = [...partsOf(target), ...rest];
    }
    return fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY | O_DIRECTORY);
  } finally {
    fs.closeSync(fd);
  }
}

const openStart = (file: string) => fs.openSync(path.isAbsolute(file) ? '/' : '.', pathOnly | O_DIRECTORY);

const partsOf = (file: string) => file.split('/').filter(part => part !== '' && part !== '.');

function openOrMake(place: string): number {
  try {
    return fs.openSync(place, pathOnly | O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    fs.mkdirSync(place, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return fs.openSync(place, pathOnly | O_NOFOLLOW);
}

/**
 * True where no other user can have made LINK. FOLDER must be ours or root's. Then either nobody else can
 * write to FOLDER, or FOLDER is sticky (each user can remove only their own files) and LINK is ours or
 * root's.
 */
function isOurDoing(folder: fs.Stats, link: fs.Stats, uid: number): boolean {
  const isOurs = (stat: fs.Stats) => stat.uid === uid || stat.uid === 0;
  if (!isOurs(folder)) return false;
  return (folder.mode & othersWrite) === 0 || ((folder.mode & sticky) !== 0 && isOurs(link));
}

function refused(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
