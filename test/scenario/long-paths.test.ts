/** Open files whose path does not fit into a link of /proc, which has room for a page. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { showId } from '../../src/base/text/ghost-id.js';
import { ghostkeep } from './ghostkeep.js';

const content = randomBytes(20_000).toString('base64');

/** Node's own rmSync cannot remove a folder with so long a path in it. */
function deepFolder(t: TestContext, parent = tmpdir()): string {
  const folder = fs.mkdtempSync(`${parent}/gk-deep-`);
  t.after(() => spawnSync('rm', ['-rf', folder]));
  return folder;
}

/**
 * Makes a file of this process, 30 folders of 150 bytes below FOLDER. No single call can take the whole path.
 */
function deepFile(t: TestContext, folder: string): { fd: number; place: string } {
  let at = fs.openSync(folder, fs.constants.O_DIRECTORY);
  for (let depth = 0; depth < 30; depth += 1) {
    const next = `/proc/self/fd/${at}/${'d'.repeat(150)}`;
    fs.mkdirSync(next);
    const inner = fs.openSync(next, fs.constants.O_DIRECTORY);
    fs.closeSync(at);
    at = inner;
  }
  const place = `/proc/self/fd/${at}/file`;
  const fd = fs.openSync(place, 'wx+');
  fs.writeSync(fd, content);
  t.after(() => {
    fs.closeSync(fd);
    fs.closeSync(at);
  });
  return { fd, place };
}

/** @returns the content of DIR/back after a dump of this process and a restore */
function comesBack(folder: string): { classes: string[]; files: string[] } {
  const images = `${folder}/images`;
  const { status, stdout, stderr } = ghostkeep([
    'dump',
    '--pid',
    String(process.pid),
    '-D',
    images,
    '--json',
  ]);
  assert.equal(status, 0, stderr);
  const { ghosts } = JSON.parse(stdout) as Manifest;
  const restore = ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]);
  assert.equal(restore.status, 0, restore.stderr);
  const files = ghosts.map(({ id }) => fs.readFileSync(`${folder}/back/ghost-${showId(id)}`, 'latin1'));
  return { classes: ghosts.map(ghost => ghost.class), files };
}

describe('paths of more than 4,095 bytes', () => {
  it('when the path of a live file has more than 4,095 bytes, the file is left alone and the dump succeeds', t => {
    const folder = deepFolder(t);
    deepFile(t, folder);
    const { ghosts, unseen } = JSON.parse(ghostkeep(['scan', '--pid', String(process.pid), '--json']).stdout);
    assert.deepEqual([ghosts, unseen], [[], []]);
    assert.deepEqual(comesBack(folder).classes, []);
  });

  it('when the path of a ghost has more than 4,095 bytes, the ghost comes back', t => {
    const folder = deepFolder(t);
    fs.unlinkSync(deepFile(t, folder).place);
    assert.deepEqual(comesBack(folder), { classes: ['unlinked'], files: [content] });
  });

  it('when a ghost with a path of more than 4,095 bytes has another name on a tmpfs, it comes back', t => {
    const folder = deepFolder(t, '/dev/shm');
    const { place } = deepFile(t, folder);
    fs.linkSync(place, `${folder}/other`);
    fs.unlinkSync(place);
    assert.deepEqual(comesBack(folder), { classes: ['linked'], files: [content] });
  });
});
