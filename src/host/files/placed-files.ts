import path from 'node:path';
import type { Bound } from '../../base/bounds.js';
import { errnoOf } from '../../base/errors.js';
import type { Durability, FileStat } from '../../base/host/host.js';
import { LinuxFiles } from './files.js';
import { inFolder, inPlace } from './in-place.js';

/** The files as flows see them. Every path goes through in-place.ts, so no flow can forget it. */
export class PlacedFiles extends LinuxFiles {
  override read(file: string, bound: Bound): Buffer {
    return inPlace(file, at => super.read(at, bound, file));
  }

  override readStart(file: string, bytes: number): Buffer {
    return inPlace(file, at => super.readStart(at, bytes));
  }

  /** False where one of our folders is a link: what lies behind the link is no file of ours. */
  override exists(file: string): boolean {
    try {
      return inPlace(file, at => super.exists(at));
    } catch {
      return false;
    }
  }

  override list(folder: string): string[] {
    return inFolder(folder, at => super.list(at));
  }

  override makeDirectory(folder: string, mode?: number): void {
    try {
      inPlace(folder, at => super.makeDirectory(at, mode));
    } catch (error) {
      const parent = path.dirname(folder);
      if (errnoOf(error) !== 'ENOENT' || parent === folder || super.exists(parent)) throw error;
      this.makeDirectory(parent, mode);
      this.makeDirectory(folder, mode);
    }
  }

  override create(file: string, mode?: number): number {
    return inPlace(file, at => super.create(at, mode));
  }

  override open(file: string): number {
    return inPlace(file, at => super.open(at));
  }

  override openWritable(file: string): number {
    return inPlace(file, at => super.openWritable(at));
  }

  override statPath(file: string): FileStat {
    return inPlace(file, at => super.statPath(at));
  }

  override replace(file: string, bytes: Uint8Array, durability?: Durability): void {
    inPlace(file, at => super.replace(at, bytes, durability));
  }

  override rename(from: string, to: string): void {
    inPlace(from, source => inPlace(to, target => super.rename(source, target)));
  }

  override renameNew(from: string, to: string): void {
    inPlace(from, source => inPlace(to, target => super.renameNew(source, target)));
  }

  override remove(file: string): void {
    ifThere(() => inPlace(file, at => super.remove(at)));
  }

  override removeTree(folder: string): void {
    ifThere(() => inPlace(folder, at => super.removeTree(at)));
  }

  override sync(file: string): void {
    inPlace(file, at => super.sync(at));
  }
}

/** Calls REMOVE. If the folder does not exist, there is nothing to remove, which is no error. */
function ifThere(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
