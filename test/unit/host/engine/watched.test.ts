import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeEngine } from '../../../../src/host/engine/engine.js';
import { watched } from '../../../../src/host/engine/watched.js';
import { progress as layout } from '../../../../src/host/native/layout.js';
import { errno } from '../../fake-host.js';

it('a call of the engine that has ended before anybody looked still tells how many bytes it has moved', async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-watched-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(`${folder}/from`, Buffer.alloc(70_000, 1));
  const [from, to] = [fs.openSync(`${folder}/from`, 'r'), fs.openSync(`${folder}/to`, 'wx+')];
  t.after(() => {
    for (const fd of [from, to]) fs.closeSync(fd);
  });
  const told: bigint[] = [];
  await new NativeEngine().copy(from, to, 70_000n, done => told.push(done));
  assert.equal(told.at(-1), 70_000n);
});

it('when the question whether a call is over fails, the call ends with that error', async () => {
  const call = async (progress: Buffer) => {
    while (progress.readUInt32LE(layout.at.cancel) === 0) await sleep(5);
    throw errno('ECANCELED', 'the call');
  };
  const isOver = () => {
    throw errno('EIO', 'statfs');
  };
  await assert.rejects(watched(undefined, call, isOver), /EIO/);
});
