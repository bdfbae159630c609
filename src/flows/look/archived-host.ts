/**
 * Shows a checkpoint in an archive to the flows as an image directory. `verify` and `show` only read, so they
 * work on it without a change. The engine's answers about the ghost images were found while the archive was
 * read.
 */
import type { Bound } from '../../base/bounds.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Engine, FileStat, Files, Host } from '../../base/host/host.js';
import {
  type ArchivedFile,
  type ArchivedFolder,
  type Checked,
  engineReportOf,
  extentsOf,
} from './archived-folder.js';

/** The path that stands for the folder in the archive. */
export const archivedImages = '/archive';

/** Only what `verify` and `show` call. */
type ReadingFiles = Pick<
  Files,
  | 'read'
  | 'readStart'
  | 'readIfThere'
  | 'exists'
  | 'list'
  | 'open'
  | 'close'
  | 'stat'
  | 'statPath'
  | 'realPath'
  | 'statOn'
>;
type ReadingEngine = Pick<Engine, 'check' | 'digest' | 'settle' | 'chunks'>;

/** @param shown names the folder in messages: the archive, and where in it */
export function archivedHost(host: Host, folder: ArchivedFolder, shown: string): Host {
  const names = [...folder.files.keys()];
  const numbers = new Map(names.map((name, number) => [name, number]));
  const isFolder = (name: string) => name === '' || names.some(each => each.startsWith(`${name}/`));
  const find = (path: string): ArchivedFile => {
    const file = folder.files.get(nameIn(path));
    if (!file) throw missing(path);
    return file;
  };
  const read = (path: string, bound: Bound): Buffer => {
    const { bytes, content } = find(path);
    const name = nameIn(path);
    if (content && bytes <= BigInt(bound.bytes)) return content;
    throw new GhostkeepError(
      bound.code,
      name,
      `cannot read ${name}: it has ${bytes} bytes, and at most ${bound.bytes} are read`,
    );
  };
  const checked = (fd: number): Checked => {
    const found = folder.files.get(names[fd] ?? '')?.checked;
    if (!found) throw missing(names[fd] ?? '');
    if (found.isUnchecked)
      throw new GhostkeepError(
        'ARCHIVE_INVALID',
        shown,
        `cannot check ${names[fd]} in the archive: ${found.fault}; unpack it and verify the directory`,
      );
    return found;
  };
  const files: ReadingFiles = {
    read,
    readStart: (path, bytes) => {
      const { checked, content } = find(path);
      return (checked?.head ?? content ?? Buffer.alloc(0)).subarray(0, bytes);
    },
    readIfThere: (path, bound) => (folder.files.has(nameIn(path)) ? read(path, bound) : undefined),
    exists: path => folder.files.has(nameIn(path)) || isFolder(nameIn(path)),
    list: path => {
      const top = nameIn(path);
      const inside = names.filter(name => name.startsWith(top === '' ? '' : `${top}/`));
      return [
        ...new Set(inside.map(name => name.slice(top === '' ? 0 : top.length + 1).split('/')[0] ?? '')),
      ];
    },
    open: path => {
      const number = numbers.get(nameIn(path));
      if (number === undefined) throw missing(path);
      return number;
    },
    close: () => {},
    stat: fd => statOf(folder.files.get(names[fd] ?? '')),
    statPath: path => statOf(find(path)),
    realPath: path => path.replace(archivedImages, () => shown),
    statOn: (mount, name) => host.files.statOn(mount, name),
  };
  const engine: ReadingEngine = {
    check: async fd => {
      const found = checked(fd);
      if (found.fault !== undefined) throw Object.assign(new Error(found.fault), { code: 'EBADMSG' });
      return engineReportOf(found);
    },
    digest: async fd => engineReportOf(checked(fd)),
    settle: async () => {},
    chunks: fd => {
      const { ranges } = checked(fd);
      if (!ranges) throw new Error(`its ranges are too many, or not in order, to be kept of an archive`);
      return extentsOf(ranges);
    },
  };
  return { ...host, files: files as Files, engine: engine as Engine };
}

function nameIn(path: string): string {
  return path.slice(archivedImages.length).replace(/^\//, '');
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${nameIn(path)} is not in the archive`), { code: 'ENOENT' });
}

function statOf(file: ArchivedFile | undefined): FileStat {
  const mtimeNs = BigInt(file?.mtime?.getTime() ?? 0) * 1_000_000n;
  return {
    dev: 0n,
    ino: 0n,
    mode: 0o100600,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0n,
    size: file?.bytes ?? 0n,
    allocated: file?.bytes ?? 0n,
    blockBytes: 512,
    atimeNs: mtimeNs,
    mtimeNs,
    ctimeNs: mtimeNs,
    birthtimeNs: 0n,
  };
}
