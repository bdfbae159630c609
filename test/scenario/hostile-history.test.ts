/**
 * Packed directories from strangers: whatever their manifests say, a checkpoint comes back as it was or not at
 * all, and nothing but our own errors ends a command.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { GhostkeepError } from '../../src/base/errors.js';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { verify } from '../../src/flows/restore/verify.js';
import { randomFrom, seed } from '../random.js';
import { changeDocument } from '../unit/hostile-document.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';

const manifests = Number(process.env['GHOSTKEEP_MANIFESTS'] ?? 150);

describe('a packed directory from a stranger', () => {
  it(`when a stranger changes manifests of a packed directory at random, no wrong byte comes back (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const disk = temporaryFolder(t);
    const ghosts = new LivingGhosts(t, temporaryFolder(t), random);
    const [fd] = [ghosts.come(5 * unit), ghosts.come(4 * unit)];
    const all: Contents[] = [];
    for (const night of [0, 1, 2]) {
      fs.writeSync(fd, 'changed', night * unit);
      await dumpInto(`${disk}/${night}`);
      all.push(ghosts.contents());
      if (night > 0) await pack(flows(), { images: `${disk}/${night}`, parent: `${disk}/${night - 1}` });
    }
    const contents = ghosts.contents();
    const files = [
      ...[0, 1, 2].map(night => `${disk}/${night}/ghostkeep-manifest.json`),
      ...[0, 1].map(night => `${disk}/${night}/ghostkeep-children.json`),
    ];
    const originals = files.map(file => fs.readFileSync(file, 'utf8'));
    const ends = new Map<string, number>();
    const attempt = async (work: () => Promise<unknown>) => {
      try {
        await work();
        ends.set('done', (ends.get('done') ?? 0) + 1);
        return true;
      } catch (error) {
        if (!(error instanceof GhostkeepError)) throw error;
        ends.set(error.code, (ends.get(error.code) ?? 0) + 1);
        return false;
      }
    };
    /** Is NIGHT of COPY what it was, or refused? A wrong byte is an error. */
    const holds = async (copy: string, night: number) => {
      const to = `${copy}/out`;
      const isThere = await attempt(() => restoreGhosts(flows(), { images: `${copy}/${night}`, to }));
      for (const name of isThere ? fs.readdirSync(to) : []) {
        const found = fs.readFileSync(`${to}/${name}`);
        assert.ok(
          all.some(contents => [...contents.values()].some(content => content.equals(found))),
          `${name} of ${night} is wrong`,
        );
      }
      fs.rmSync(to, { recursive: true, force: true });
      return isThere;
    };
    /**
     * Forgets the night GONE in a copy. Each other night that could be restored before can be restored
     * afterwards.
     */
    const assertForgets = async (gone: number) => {
      const copy = `${disk}/copy`;
      for (const night of [0, 1, 2]) fs.cpSync(`${disk}/${night}`, `${copy}/${night}`, { recursive: true });
      const others = [0, 1, 2].filter(night => night !== gone);
      const before = [];
      for (const night of others) before.push(await holds(copy, night));
      const isGone = await attempt(() => forget(flows(), { images: `${copy}/${gone}` }));
      for (const [index, night] of others.entries())
        assert.ok(
          !before[index] || (await holds(copy, night)),
          `${gone} was ${isGone ? '' : 'not '}forgotten, and ${night} cannot be restored any more`,
        );
      fs.rmSync(copy, { recursive: true });
    };
    for (let round = 0; round < manifests; round += 1) {
      const night = random(2) ? 2 : random(files.length);
      const manifest = JSON.parse(originals[night] as string) as Manifest;
      const change = changeDocument(manifest, random);
      fs.writeFileSync(files[night] as string, JSON.stringify(manifest));
      const what = `seed ${seed}, round ${round}, ${night}: ${change}`;
      const to = `${disk}/out`;
      try {
        await verify(flows(), `${disk}/2`, { chain: true });
        if (await attempt(() => restoreGhosts(flows(), { images: `${disk}/2`, to })))
          for (const name of fs.readdirSync(to)) {
            const found = fs.readFileSync(`${to}/${name}`);
            assert.ok(
              [...contents.values()].some(content => content.equals(found)),
              `${name} is wrong`,
            );
          }
        fs.rmSync(to, { recursive: true, force: true });
        await attempt(() => unpack(flows(), { images: `${disk}/2`, to }));
        fs.rmSync(to, { recursive: true, force: true });
        if (round % 3 === 0 || night > 2) await assertForgets(random(3));
      } catch (error) {
        throw new Error(what, { cause: error });
      }
      fs.rmSync(to, { recursive: true, force: true });
      fs.writeFileSync(files[night] as string, originals[night] as string);
    }
    t.diagnostic(`${manifests} manifests`);
    t.diagnostic([...ends].map(([end, count]) => `${end} ${count}`).join(', '));
    await assertHolds(t, `${disk}/2`, contents);
  });
});
