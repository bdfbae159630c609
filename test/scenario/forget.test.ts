/** `forget` by the built program: what goes, what stays, what is refused, and what a kill leaves. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Forgotten } from '../../src/base/documents/generated/forgotten.js';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';

import { pack } from '../../src/flows/history/pack.js';
import { filesIn, flows, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, dumpInto, LivingGhosts, randomFrom, unit } from './history-of-ghosts.js';


const MiB = 1 << 20;

interface Night {
  images: string;
  contents: Contents;
}

/** Checkpoints of two ghosts; each is packed with the one before it as parent, or with the first. */
async function history(
  t: TestContext,
  count: number,
  { bytes = MiB, disk = temporaryFolder(t), parentOf = (night: number) => night - 1 } = {},
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

const forget = (images: string, ...more: string[]) => ghostkeep(['forget', '-D', images, ...more]);

function forgotten(images: string, ...more: string[]): Forgotten {
  const { status, stdout, stderr } = forget(images, '--json', ...more);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Forgotten;
}

async function assertAll(t: TestContext, nights: readonly Night[]): Promise<void> {
  for (const { images, contents } of nights) {
    const { status, stdout } = ghostkeep(['verify', '-D', images, '--chain']);
    assert.equal(status, 0, stdout);
    await assertHolds(t, images, contents);
  }
}

const manifestOf = (images: string) =>
  JSON.parse(fs.readFileSync(`${images}/ghostkeep-manifest.json`, 'utf8')) as Manifest;

/** Everything in some folders, to see that nothing was written. */
const stateOf = (folders: readonly string[]) =>
  folders.flatMap(folder =>
    filesIn(folder).map(name => {
      const { ino, size, mtimeMs } = fs.statSync(`${folder}/${name}`);
      return `${folder}/${name} ${ino} ${size} ${mtimeMs}`;
    }),
  );

describe('forget', () => {
  for (const [which, index] of [
    ['oldest', 0],
    ['second', 1],
    ['third', 2],
    ['newest', 3],
  ] as const)
    it(`the ${which} of four checkpoints goes, and the other three are restored as before`, async t => {
      const nights = await history(t, 4);
      const [{ images }] = nights.splice(index, 1) as [Night];
      const { children, left, directoryRemoved } = forgotten(images);
      assert.deepEqual([left, directoryRemoved, fs.existsSync(images)], [[], true, false]);
      assert.deepEqual(
        children.map(({ images: child, parent, joined, whole }) => ({ child, parent, joined, whole })),
        index === 3
          ? []
          : [
              index === 0
                ? { child: nights[0]?.images, parent: undefined, joined: 0, whole: 2 }
                : { child: nights[index]?.images, parent: nights[index - 1]?.images, joined: 2, whole: 0 },
            ],
      );
      await assertAll(t, nights);
      const last = nights.at(-1)?.images as string;
      for (const { images: each } of nights.slice(0, -1))
        assert.equal(forget(each).status, 0, 'the others can go, too');
      assert.deepEqual(filesIn(last), ['ghost-file-1.img', 'ghost-file-2.img', 'ghostkeep-manifest.json']);
      await assertAll(t, nights.slice(-1));
    });
});
