/**
 * A receiver that dies before any step of a seal, and the next one: what is sealed at the end is what the
 * sender had. It dies in this process: from that step on, no call has any effect.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Host } from '../../src/base/host/host.js';
import { linuxHost } from '../../src/host/linux.js';
import { randomFrom } from '../random.js';
import { connect } from '../unit/flows/receive/connection.js';
import { temporaryFolder } from './ghostkeep.js';
import { dumpStream, imagesStream, type Source, sourceOf } from './moved.js';

const block = 16384;

/** Calls that change something. */
const steps = new Set([
  ...['create', 'rename', 'renameNew', 'remove', 'removeTree', 'replace', 'syncFolder', 'makeDirectory'],
  ...['resize', 'write', 'putEntries', 'sync', 'shapeTail', 'shapeHeads', 'cut', 'put'],
]);

/**
 * HOST, whose calls work until step number LAST, which is not made. @param inside makes a part of that step
 */
function dying(host: Host, last: number, inside: (name: string, args: unknown[]) => void) {
  const seen: string[] = [];
  let isDead = false;
  const mortal = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        return (...args: unknown[]) => {
          if (!isDead && steps.has(name)) {
            seen.push(name);
            isDead = seen.length === last;
            if (isDead) inside(name, args);
          }
          // The kernel closes what a process that dies had open.
          if (isDead && name !== 'close') throw new Error('killed');
          return Reflect.apply(value, target, args);
        };
      },
    });
  const moving = { ...host.moving, store: mortal(host.moving.store) };
  return { seen, host: { ...host, files: mortal(host.files), moving } };
}

/** A part of what shapeHeads writes: the head of the image is on the first block, and no more. */
function half(name: string, [fd, shape]: unknown[]): void {
  if (name === 'shapeHeads') fs.writeSync(fd as number, (shape as { header: Buffer }).header, 0, 50, 0);
}

async function assertHolds(images: string, { ghosts }: Source, scratch: string, what: string) {
  assert.equal(fs.existsSync(`${images}/ghostkeep`), false, `${what}: the directory is not flat`);
  const { engine } = linuxHost();
  for (const { image, content } of ghosts) {
    const file = `${scratch}/restored`;
    const [from, to] = [fs.openSync(`${images}/${image}`, 'r'), fs.openSync(file, 'w+')];
    await engine.restore(from, to);
    for (const fd of [from, to]) fs.closeSync(fd);
    assert.ok(fs.readFileSync(file).equals(content), `${what}: ${image} has other bytes`);
  }
}

function source(t: TestContext): Source {
  const random = randomFrom(5);
  const large = Buffer.from(Array.from({ length: 70 * block + 9 }, () => 1 + random(255)));
  large.fill(0, 20 * block, 23 * block);
  large.fill(0, 69 * block);
  return sourceOf(t, [large, Buffer.alloc(80 * block, 3), Buffer.from('small')]);
}

describe('a receiver that dies before any step of a seal', () => {
  it('when a receiver dies before any step of a seal, the next receiver seals what the sender had', async t => {
    const made = source(t);
    const scratch = temporaryFolder(t, '/dev/shm');
    const manifest = { 'ghostkeep-manifest.json': made.manifest };
    const files = imagesStream(made.ghosts, manifest).bytes();
    const names = new Map<string, number>();
    for (let last = 1, isOver = false; !isOver; last += 1) {
      const images = `${scratch}/images-${last}`;
      assert.equal((await connect(images, scratch, dumpStream(made.ghosts).bytes())).error, undefined);
      let seen: string[] = [];
      const { error } = await connect(images, scratch, files, undefined, undefined, host => {
        const mortal = dying(host, last, half);
        seen = mortal.seen;
        return mortal.host;
      });
      isOver = error === undefined;
      const step = `${last} (${seen.at(-1)})`;
      if (!isOver) names.set(seen.at(-1) as string, last);
      const again = await connect(images, scratch, files);
      if (again.error) assert.match(String(again.error), /it is a sealed checkpoint/, step);
      await assertHolds(images, made, scratch, step);
      fs.rmSync(images, { recursive: true });
    }
    for (const name of ['shapeTail', 'shapeHeads', 'rename', 'renameNew', 'sync', 'replace'])
      assert.ok(names.has(name), `no receiver died before ${name}: ${[...names.keys()].join(', ')}`);
  });
});
