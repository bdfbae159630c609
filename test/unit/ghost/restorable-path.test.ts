import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { restorablePath } from '../../../src/ghost/restorable-path.js';

const pathOf = (path: string, mountPoint = '/data', hidden = false) =>
  restorablePath(Buffer.from(path, 'latin1'), Buffer.from(mountPoint), hidden)?.toString('latin1');
const own = /^\/data\/\.ghostkeep-[0-9a-f]{24}$/;

describe('restorablePath', () => {
  it('when CRIU can make the file by its own path, that stays', () => {
    for (const path of ['/data/x', `/data/${'n'.repeat(237)}`, '/data/d/x (deleted)', '/data/\xff\n'])
      assert.equal(pathOf(path), undefined, path);
  });

  it('when the name has no room for what CRIU appends, it is a short one in the root of the mount', () => {
    assert.match(pathOf(`/data/d/${'n'.repeat(238)}`) ?? '', own);
    assert.match(pathOf(`/${'n'.repeat(255)}`, '/') ?? '', /^\/\.ghostkeep-[0-9a-f]{24}$/);
  });

  it('when the whole path has no room for the folder that CRIU restores in, too', () => {
    assert.equal(pathOf(`/data${'/folder'.repeat(500)}`), undefined);
    assert.match(pathOf(`/data${'/folder'.repeat(560)}`) ?? '', own);
  });

  it('when its folder is hidden, too', () => {
    assert.match(pathOf('/data/d/x', '/data', true) ?? '', own);
  });

  it('when it is asked again, the name is another one', () => {
    assert.notEqual(pathOf('/data/d/x', '/data', true), pathOf('/data/d/x', '/data', true));
  });

  it('when the mount is a single file, there is no folder to put it in', () => {
    assert.equal(pathOf('/data', '/data', true), undefined);
    assert.equal(pathOf('/data2/x', '/data', true), undefined);
  });
});
