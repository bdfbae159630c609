/** `forget` is stopped at each of its steps, or a step fails: no other checkpoint suffers, and the next run finishes. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Children } from '../../src/base/documents/generated/children.js';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { forget } from '../../src/flows/forget/forget.js';
import { filesIn, flows, temporaryFolder } from './ghostkeep.js';
import { assertHolds, unit } from './history-of-ghosts.js';
import { Killed, killedAt } from './killed-host.js';
import { history, memory, type Night } from './nights.js';

async function assertRestorable(t: TestContext, nights: readonly Night[], when: string): Promise<void> {
  for (const { images, contents } of nights)
    try {
      await assertHolds(t, images, contents, memory);
    } catch (error) {
      throw new Error(`${images} ${when}`, { cause: error });
    }
}

/** No file is left that a manifest does not name, and parents list their children and nobody else. */
function assertTidy(nights: readonly Night[], when: string): void {
  const needed: string[] = [];
  const listed: string[] = [];
  for (const { images } of nights) {
    const { ghosts, parent } = manifestOf(images);
    const named = ghosts.flatMap(({ image, layer }) => (layer ? [layer.map, layer.data] : [image]));
    assert.deepEqual(
      filesIn(images).filter(name => name !== 'ghostkeep-children.json'),
      [...named, 'ghostkeep-manifest.json'].sort(),
      when,
    );
    if (parent) needed.push(`${path.resolve(images, parent.path)} ${parent.child}`);
    const list = `${images}/ghostkeep-children.json`;
    if (!fs.existsSync(list)) continue;
    const { children } = JSON.parse(fs.readFileSync(list, 'utf8')) as Children;
    listed.push(...children.map(({ id }) => `${images} ${id}`));
  }
  assert.deepEqual(listed.sort(), needed.sort(), when);
}

const manifestOf = (images: string) =>
  JSON.parse(fs.readFileSync(`${images}/ghostkeep-manifest.json`, 'utf8')) as Manifest;

describe('forget', () => {
  const byTwo = (parent: number) => (night: number) => (night === parent + 2 ? parent : night - 1);
  for (const [what, which, parentOf, index] of [
    ['a kill', 'the oldest, which two need,', byTwo(0), 0],
    ['a kill', 'one in the middle, which two need,', byTwo(1), 1],
    ['a kill', 'the newest', (night: number) => night - 1, 3],
    ['an error of the disk', 'one in the middle, which two need,', byTwo(1), 1],
  ] as const)
    it(`${what} at any step while forget removes ${which} costs no other checkpoint, and the next run finishes`, async t => {
      const bytes = 4 * unit;
      const disk = temporaryFolder(t, memory);
      const nights = await history(t, 4, { bytes, disk, parentOf });
      for (let at = 1, isDone = false; !isDone; at += 1) {
        const copy = `${temporaryFolder(t, memory)}/disk`;
        fs.cpSync(disk, copy, { recursive: true });
        const moved = nights.map(night => ({ ...night, images: `${copy}/night-${nights.indexOf(night)}` }));
        const [{ images }] = moved.splice(index, 1) as [Night];
        const { context, steps } = killedAt(at, what !== 'a kill');
        try {
          await forget(context, { images });
          // If nothing depends on a step, `forget` succeeds although the step has failed.
          isDone = steps() < at;
          if (isDone) t.diagnostic(`${steps()} steps`);
        } catch (error) {
          if (!(error instanceof Killed) && !/EIO: made up/.test(String(error))) throw error;
          await assertRestorable(t, moved, `${what} at step ${at}`);
          if (fs.existsSync(images)) await forget(flows(), { images });
        }
        await assertRestorable(t, moved, `after ${what} at step ${at}`);
        assert.ok(!fs.existsSync(images));
        assertTidy(moved, `after ${what} at step ${at}`);
        fs.rmSync(copy, { recursive: true });
      }
    });
});
