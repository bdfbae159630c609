/** A receiver with a hostile sender: nothing outside the directory, no rights, bounded room and memory. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { GhostkeepError } from '../../../../src/base/errors.js';
import { randomFrom, seed } from '../../../random.js';
import { temporaryFolder } from '../../../scenario/ghostkeep.js';
import { hostileStream } from '../../hostile-stream.js';
import { connect } from './connection.js';

const connections = Number(process.env['GHOSTKEEP_CONNECTIONS'] ?? 200);
const mostBytes = 1n << 20n;
/**
 * One frame may come before the receiver notices that there is no room, and tables and documents take some
 * room.
 */
const mostStored = 4 << 20;
const mostMemory = 512 << 20;

/** Everything below FOLDER but what belongs to IMAGES. */
const others = (folder: string, images: string) =>
  (fs.readdirSync(folder, { recursive: true }) as string[]).filter(
    name => !path.join(folder, name).startsWith(images),
  );

const ours =
  /^(ghostkeep|ghostkeep\/(receiver\.json|incoming|arrived|moved-[0-9a-f-]+\.(data|table)|making-\w+|arrived\/[A-Za-z0-9][\w.-]*))$/;

describe('a receiver with a hostile sender', () => {
  it(`a receiver stores nothing of a hostile sender but plain files in its directory, within its limit (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const folder = temporaryFolder(t, fs.existsSync('/dev/shm') ? '/dev/shm' : undefined);
    const images = `${folder}/inner/images`;
    fs.mkdirSync(`${folder}/inner`);
    const codes = new Map<string, number>();
    for (let count = 0; count < connections; count += 1) {
      const { error } = await connect(images, folder, hostileStream(random), mostBytes);
      if (error !== undefined && !(error instanceof GhostkeepError))
        throw new Error(`seed ${seed}, connection ${count}`, { cause: error });
      const code = error?.code ?? 'none';
      codes.set(code, (codes.get(code) ?? 0) + 1);
      assert.deepEqual(others(folder, images).sort(), ['answers', 'inner', 'stream']);
      assertHarmless(images, `seed ${seed}, connection ${count}`);
      if (random(20) === 0) fs.rmSync(images, { recursive: true, force: true });
    }
    assert.ok(process.memoryUsage().rss < mostMemory, `${process.memoryUsage().rss} bytes of memory`);
    console.log(`# ${connections} connections from seed ${seed}: ${[...codes].sort().join('; ')}`);
  });
});

function assertHarmless(images: string, where: string): void {
  if (!fs.existsSync(images)) return;
  let stored = 0;
  for (const name of fs.readdirSync(images, { recursive: true }) as string[]) {
    assert.match(name, ours, where);
    const stat = fs.lstatSync(`${images}/${name}`);
    assert.ok(stat.isFile() || stat.isDirectory(), `${where}: ${name} is no plain file`);
    assert.equal(
      stat.mode & (stat.isFile() ? 0o7133 : 0o7077),
      0,
      `${where}: ${name} has mode ${stat.mode.toString(8)}`,
    );
    if (stat.isFile()) stored += stat.blocks * 512;
  }
  assert.ok(stored < mostStored, `${where}: ${stored} bytes are stored`);
}
