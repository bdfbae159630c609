/** Where a file system shares blocks, an image is put together from copies and from shared ranges in turns. */
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { randomFrom } from '../random.js';
import { flows, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds, dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';
import { onLoopDevice } from './loop-device.js';

/** Large ranges are shared, small ones and what lies beside a block are copied. */
function write(fd: number, random: (below: number) => number): void {
  for (let at = random(unit); at < 60 * unit; at += random(5 * unit)) {
    const bytes = random(2) ? 1 + random(5000) : unit + random(3 * unit);
    fs.writeSync(fd, Buffer.alloc(bytes, 1 + random(255)), 0, bytes, at);
    at += bytes;
  }
}

describe('materialize', () => {
  for (const filesystem of ['xfs', 'btrfs'] as const)
    it(`materialize makes good images of ghosts with small and large ranges on ${filesystem}`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const disk = onLoopDevice(t, filesystem);
      const random = randomFrom(1);
      const ghosts = new LivingGhosts(t, temporaryFolder(t), random);
      for (let count = 0; count < 8; count += 1) write(ghosts.come(0), random);
      await dumpInto(`${disk}/first`);
      for (let count = 0; count < 8; count += 1) ghosts.change();
      await dumpInto(`${disk}/second`);
      await pack(flows(), { images: `${disk}/second`, parent: `${disk}/first` });
      await unpack(flows(), { images: `${disk}/second`, to: `${disk}/copy` });
      await assertHolds(t, `${disk}/copy`, ghosts.contents(), '/dev/shm');
      await unpack(flows(), { images: `${disk}/second` });
      await assertHolds(t, `${disk}/second`, ghosts.contents(), '/dev/shm');
    });
});
