/** Nights of a history: checkpoints, each packed with an earlier one, and what the ghosts held then. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type { TestContext } from 'node:test';
import { pack } from '../../src/flows/history/pack.js';
import { randomFrom } from '../random.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { type Contents, dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';

/** A kill loses nothing that was written, so tests of kills need no disk, and a disk is slow. */
export const memory = '/dev/shm';

export interface Night {
  images: string;
  contents: Contents;
}

/** Checkpoints of two ghosts; each is packed with the one before it as parent, or with the first. */
export async function history(
  t: TestContext,
  count: number,
  { bytes = 16 * unit, disk = temporaryFolder(t, memory), parentOf = (night: number) => night - 1 } = {},
): Promise<Night[]> {
  const ghosts = new LivingGhosts(t, temporaryFolder(t), randomFrom(1));
  const fds = [ghosts.come(bytes), ghosts.come(3 * unit)];
  const nights: Night[] = [];
  for (let night = 0; night < count; night += 1) {
    for (const fd of fds) fs.writeSync(fd, randomBytes(9), 0, 9, (night % 3) * unit + 7);
    const images = `${disk}/night-${night}`;
    await dumpInto(images);
    nights.push({ images, contents: ghosts.contents() });
    const parent = nights[parentOf(night)];
    if (parent) await pack(flows(), { images, parent: parent.images });
  }
  return nights;
}
