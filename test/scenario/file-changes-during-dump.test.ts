import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { dumpGhosts } from '../../src/flows/dump/dump.js';
import { resolvePolicy } from '../../src/oci/policy.js';
import { ghostkeepError } from '../unit/expect.js';
import { filesIn, flows, ghostFile, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(48 << 20);

/** Dumps a ghost of this process, and calls CHANGE on it again and again from the first copied byte on. */
async function dumpWhile(t: TestContext, change: (fd: number, round: number) => void): Promise<string> {
  const folder = temporaryFolder(t);
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  const fd = ghostFile(t, folder, 'ghost', content);
  ghostFile(t, folder, 'calm', 'this one does not change');
  let round = 0;
  const timer = setInterval(() => change(fd, round++), 1);
  const request = { images, pids: [process.pid], policy: resolvePolicy({ engine: 'read' }), criu: true };
  try {
    await assert.rejects(dumpGhosts(flows(), request), ghostkeepError('GHOST_CHANGED', `${folder}/ghost`));
  } finally {
    clearInterval(timer);
  }
  return images;
}

describe('a writer outside the container', () => {
  it('when the writer shrinks the file during the copy, the dump fails and leaves no file', async t => {
    const images = await dumpWhile(t, (fd, round) =>
      fs.ftruncateSync(fd, content.length - 4096 * (round + 1)),
    );
    assert.deepEqual(fs.readdirSync(images), []);
  });

  it('when the writer makes the file grow during the copy, the dump fails and leaves no file', async t => {
    const images = await dumpWhile(t, fd => fs.writeSync(fd, 'more'));
    assert.deepEqual(fs.readdirSync(images), []);
  });

  it('when the writer changes bytes in place during the copy, the dump fails and leaves no file', async t => {
    const images = await dumpWhile(t, fd => fs.writeSync(fd, 'other', 0));
    assert.deepEqual(filesIn(images), []);
  });
});
