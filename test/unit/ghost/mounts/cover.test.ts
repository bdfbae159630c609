import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MountTree } from '../../../../src/ghost/mounts/cover.js';
import { fakeMount } from '../../fake-host.js';

/** Lines of mountinfo: id, parent, mount point. */
function treeOf(...lines: [number, number, string][]): MountTree {
  const tree = new MountTree();
  for (const [id, parent, path] of lines) tree.add(fakeMount(id, { parent, mountPoint: Buffer.from(path) }));
  return tree;
}
const hides = (tree: MountTree, id: number, path: string) => tree.hidesFolder(id, Buffer.from(path));

describe('MountTree.isCovered', () => {
  it('when mounts lie beside each other or in each other, none is covered', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/in'], [4, 1, '/data2'], [5, 1, '/proc']);
    assert.deepEqual(
      [1, 2, 3, 4, 5].filter(id => tree.isCovered(id)),
      [],
    );
  });

  it('when a second mount lies on a mount point, the first mount and those in it are covered', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/in'], [4, 2, '/data']);
    assert.deepEqual(
      [1, 2, 3, 4].filter(id => tree.isCovered(id)),
      [2, 3],
    );
  });

  it('when a mount lies on a folder above a mount point, the mount there is covered', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/a/b/c'], [3, 1, '/a'], [4, 1, '/ab']);
    assert.deepEqual(
      [1, 2, 3, 4].filter(id => tree.isCovered(id)),
      [2],
    );
  });

  it('when two mounts lie at the same place on one mount, both are covered, as in CRIU', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/a'], [3, 1, '/a']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [false, true, true]);
  });

  it('when a mount lies on the root, the root and all mounts below it are covered', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 1, '/']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [true, true, false]);
  });

  it('when the first mount is its own parent, it is not covered', () => {
    const tree = treeOf([1, 1, '/'], [2, 1, '/data']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2)], [false, false]);
  });

  it('when parents lead in a circle, the search ends and the mounts count as covered', () => {
    const tree = treeOf([1, 2, '/a'], [2, 1, '/a/b'], [3, 2, '/a/b/c']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [true, true, true]);
  });

  it('when a mount is unknown, it is not covered; when a mount is added, the answer is computed anew', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data']);
    assert.deepEqual([tree.isCovered(7), tree.isCovered(2)], [false, false]);
    tree.add(fakeMount(3, { parent: 2, mountPoint: Buffer.from('/data') }));
    assert.equal(tree.isCovered(2), true);
  });
});

describe('MountTree.hidesFolder', () => {
  const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/d'], [4, 1, '/d']);

  it('when a mount lies on the folder or above it, the folder is hidden', () => {
    assert.deepEqual([hides(tree, 2, '/data/d/x'), hides(tree, 2, '/data/d/e/f/x')], [true, true]);
    assert.equal(hides(tree, 1, '/data/x'), true);
  });

  it('when mounts lie elsewhere or on the file itself, the folder is not hidden', () => {
    const places = ['/data/x', '/data/dd/x', '/data/d', '/data/e/d/x'];
    assert.deepEqual(
      places.filter(path => hides(tree, 2, path)),
      [],
    );
    assert.deepEqual(
      [hides(tree, 3, '/data/d/x'), hides(tree, 1, '/x'), hides(tree, 9, '/d/x')],
      [false, false, false],
    );
  });

  it('when names are not UTF-8, their bytes are compared', () => {
    const odd = new MountTree();
    odd.add(fakeMount(1));
    odd.add(fakeMount(2, { parent: 1, mountPoint: Buffer.from([0x2f, 0xff]) }));
    assert.equal(odd.hidesFolder(1, Buffer.from([0x2f, 0xff, 0x2f, 0x78])), true);
    assert.equal(odd.hidesFolder(1, Buffer.from([0x2f, 0xfe, 0x2f, 0x78])), false);
  });
});
