/**
 * Records of what was given up, and manifests that name them, from strangers: a checkpoint comes back as it was or
 * not at all, and a parent that gave bytes up never comes back with others in their place.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { GhostkeepError } from '../../src/base/errors.js';
import { dedup } from '../../src/flows/dedup/dedup.js';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { verify } from '../../src/flows/restore/verify.js';
import { NativeEngine } from '../../src/host/engine/engine.js';
import { randomFrom, seed } from '../random.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Night, nights, unit } from './history-of-ghosts.js';
import { run } from './loop-device.js';

const rounds = Number(process.env['GHOSTKEEP_RECORDS'] ?? 26);

const recordIn = (images: string) =>
  `${images}/${fs.readdirSync(images).find(name => name.endsWith('.given'))}`;

/**
 * Changes the manifest so that it names the record as it is now. Somebody who has forged the record does
 * that.
 */
async function believe(images: string): Promise<void> {
  const file = `${images}/ghostkeep-manifest.json`;
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
  const fd = fs.openSync(recordIn(images), 'r');
  const name = await new NativeEngine().layerName(fd);
  fs.closeSync(fd);
  for (const { layer } of manifest.ghosts) if (layer?.given) layer.given.name = name;
  fs.writeFileSync(file, JSON.stringify(manifest));
}

type Harm = [what: string, (images: string, random: (below: number) => number) => void];

const harms: Harm[] = [
  ['missing', images => fs.rmSync(recordIn(images))],
  ['empty', images => fs.truncateSync(recordIn(images), 0)],
  ['cut short', (images, random) => fs.truncateSync(recordIn(images), 1 + random(55))],
  ['1 TiB long', images => fs.truncateSync(recordIn(images), 2 ** 40)],
  ['longer', images => fs.appendFileSync(recordIn(images), Buffer.alloc(24))],
  [
    'a link',
    images => {
      const file = recordIn(images);
      fs.renameSync(file, `${images}/elsewhere`);
      fs.symlinkSync('elsewhere', file);
    },
  ],
  [
    'with overlapping ranges',
    images => {
      const bytes = fs.readFileSync(recordIn(images));
      const range = bytes.subarray(32, 56);
      bytes.writeBigUInt64LE(2n, 8);
      bytes.writeBigUInt64LE(2n, 16);
      fs.writeFileSync(recordIn(images), Buffer.concat([bytes.subarray(0, 32), range, range]));
    },
  ],
  [
    'with other bytes',
    (images, random) => {
      const bytes = fs.readFileSync(recordIn(images));
      for (let count = 1 + random(3); count > 0; count -= 1)
        bytes[random(bytes.length)] = random(2) ? random(256) : random(3);
      fs.writeFileSync(recordIn(images), bytes);
    },
  ],
  [
    'with more given up',
    (images, random) => {
      const bytes = fs.readFileSync(recordIn(images));
      const units = BigInt(1 + random(6));
      bytes.writeBigUInt64LE(1n, 8);
      bytes.writeBigUInt64LE(units, 16);
      bytes.writeBigUInt64LE(BigInt(random(3)), 32);
      bytes.writeBigUInt64LE(units, 40);
      fs.writeFileSync(recordIn(images), bytes.subarray(0, 56));
    },
  ],
  [
    'with nothing given up',
    images => {
      const bytes = fs.readFileSync(recordIn(images)).subarray(0, 32);
      bytes.fill(0, 8, 24);
      fs.writeFileSync(recordIn(images), bytes);
    },
  ],
  [
    'to another child',
    images => {
      const file = `${images}/ghostkeep-manifest.json`;
      const text = fs.readFileSync(file, 'utf8');
      fs.writeFileSync(file, text.replace(/"path": ?"\.\.\/night-2"/, '"path": "../nobody"'));
    },
  ],
  [
    'not named',
    images => {
      const file = `${images}/ghostkeep-manifest.json`;
      const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
      for (const { layer } of manifest.ghosts) delete layer?.given;
      fs.writeFileSync(file, JSON.stringify(manifest));
    },
  ],
  [
    'moved elsewhere',
    (images, random) => {
      const file = `${images}/ghostkeep-manifest.json`;
      const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
      for (const { layer } of manifest.ghosts)
        if (layer) layer.moved = { path: random(2) ? '.' : '../../../etc', below: random(9) };
      fs.writeFileSync(file, JSON.stringify(manifest));
    },
  ],
];

describe('a record of what was given up, from a stranger', () => {
  it(`a stranger's record of what a layer gave up never brings a wrong byte back (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const folder = temporaryFolder(t);
    const made = (await nights(t, 3, 6 * unit, `${folder}/made`)) as [Night, Night, Night];
    for (const night of [1, 2])
      await pack(flows(), {
        images: `${folder}/made/night-${night}`,
        parent: `${folder}/made/night-${night - 1}`,
      });
    await dedup(flows(), { images: made[2].images, discardOlder: true });
    const ends = new Map<string, number>();
    const attempt = async (work: () => Promise<unknown>) => {
      let end = 'done';
      try {
        await work();
      } catch (error) {
        if (!(error instanceof GhostkeepError)) throw error;
        end = error.code;
      }
      ends.set(end, (ends.get(end) ?? 0) + 1);
      return end;
    };
    for (let round = 0; round < rounds; round += 1) {
      const disk = `${folder}/disk`;
      run('cp', '-a', `${folder}/made`, disk);
      const night = random(2);
      const images = `${disk}/night-${night}`;
      const [what, harm] = harms[round % harms.length] as Harm;
      try {
        harm(images, random);
        if (random(2) && fs.existsSync(recordIn(images)) && what !== '1 TiB long') await believe(images);
        for (const [each, { contents }] of made.entries()) {
          const to = `${disk}/back`;
          await verify(flows(), `${disk}/night-${each}`, { chain: true });
          if (
            (await attempt(() => restoreGhosts(flows(), { images: `${disk}/night-${each}`, to }))) === 'done'
          )
            for (const name of fs.readdirSync(to))
              assert.ok(
                [...contents.values()].some(content => content.equals(fs.readFileSync(`${to}/${name}`))),
                `night ${each} came back with other bytes`,
              );
          fs.rmSync(to, { recursive: true, force: true });
        }
        for (const autoDedup of [false, true])
          await attempt(() => unpack(flows(), { images, to: `${disk}/to-${autoDedup}`, autoDedup }));
        // The child does not need the bytes that a record lists, so no record may make the child lose a byte.
        await attempt(() => dedup(flows(), { images: `${disk}/night-2`, discardOlder: true }));
        run('cp', `${folder}/made/night-${night}/ghostkeep-manifest.json`, images);
        fs.rmSync(recordIn(images), { force: true });
        run('cp', recordIn(`${folder}/made/night-${night}`), images);
        await assertHolds(t, `${disk}/night-2`, made[2].contents);
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}: the record is ${what}: ${error}`, { cause: error });
      }
      fs.rmSync(disk, { recursive: true });
    }
    t.diagnostic(`${rounds} records`);
    t.diagnostic([...ends].map(([end, count]) => `${end} ${count}`).join(', '));
  });
});
