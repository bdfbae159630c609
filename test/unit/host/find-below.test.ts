import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { describe, it, type TestContext } from 'node:test';
import { findBelow } from '../../../src/host/find-below.js';

function tree(t: TestContext): string {
  const folder = fs.mkdtempSync(`${os.tmpdir()}/gk-below-`);
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(`${folder}/in/side`, { recursive: true });
  fs.mkdirSync(`${folder}/in/elsewhere`);
  for (const name of ['wanted.1', 'other', 'side/wanted.2', 'elsewhere/wanted.3'])
    fs.writeFileSync(`${folder}/in/${name}`, '');
  return `${folder}/in`;
}

describe('the search for names that CRIU has left', () => {
  it('the search for names that CRIU has left finds them at every depth, and counts what it has looked at', t => {
    const { names, looked, complete } = findBelow(tree(t), /^wanted/, 100);
    assert.deepEqual(names.sort(), ['elsewhere/wanted.3', 'side/wanted.2', 'wanted.1']);
    assert.deepEqual([looked, complete], [6, true]);
  });

  it('the search for names follows no symbolic link that a container has made, not even as the folder to search', t => {
    const folder = tree(t);
    fs.symlinkSync(`${folder}/elsewhere`, `${folder}/side/link`);
    fs.symlinkSync(folder, `${folder}/../loop`);
    const { names } = findBelow(`${folder}/side`, /^wanted/, 100);
    assert.deepEqual(names, ['wanted.2']);
    assert.throws(() => findBelow(`${folder}/../loop`, /^wanted/, 100), { code: 'ENOTDIR' });
  });

  it('the search for names ends at its limit, and says that it has not seen everything', t => {
    const { looked, complete } = findBelow(tree(t), /^wanted/, 3);
    assert.deepEqual([looked, complete], [3, false]);
  });

  it('the search for names opens no FIFO, where it would wait for ever', t => {
    const folder = tree(t);
    fs.rmSync(`${folder}/other`);
    const { status } = spawnSync('mkfifo', [`${folder}/wanted.4`]);
    assert.equal(status, 0);
    assert.ok(findBelow(folder, /^wanted/, 100).names.includes('wanted.4'));
  });
});
