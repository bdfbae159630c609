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
  it('when mounts lie beside and in each other, none is', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/in'], [4, 1, '/data2'], [5, 1, '/proc']);
    assert.deepEqual(
      [1, 2, 3, 4, 5].filter(id => tree.isCovered(id)),
      [],
    );
  });

  it('when another is mounted on its mount point, it is, and all that lie in it', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/in'], [4, 2, '/data']);
    assert.deepEqual(
      [1, 2, 3, 4].filter(id => tree.isCovered(id)),
      [2, 3],
    );
  });

  it('when another is mounted on a folder above its mount point, it is', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/a/b/c'], [3, 1, '/a'], [4, 1, '/ab']);
    assert.deepEqual(
      [1, 2, 3, 4].filter(id => tree.isCovered(id)),
      [2],
    );
  });

  it('when two lie on one mount at one place, CRIU calls both covered', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/a'], [3, 1, '/a']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [false, true, true]);
  });

  it('when something is mounted on the root, all below it are', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 1, '/']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [true, true, false]);
  });

  it('when the first mount is its own parent, it is the root', () => {
    const tree = treeOf([1, 1, '/'], [2, 1, '/data']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2)], [false, false]);
  });

  it('when parents lead in a circle, it ends, and nothing is promised', () => {
    const tree = treeOf([1, 2, '/a'], [2, 1, '/a/b'], [3, 2, '/a/b/c']);
    assert.deepEqual([tree.isCovered(1), tree.isCovered(2), tree.isCovered(3)], [true, true, true]);
  });

  it('when a mount is not known, it is not; when more become known, the answer is a new one', () => {
    const tree = treeOf([1, 0, '/'], [2, 1, '/data']);
    assert.deepEqual([tree.isCovered(7), tree.isCovered(2)], [false, false]);
    tree.add(fakeMount(3, { parent: 2, mountPoint: Buffer.from('/data') }));
    assert.equal(tree.isCovered(2), true);
  });
});

describe('MountTree.hidesFolder', () => {
  const tree = treeOf([1, 0, '/'], [2, 1, '/data'], [3, 2, '/data/d'], [4, 1, '/d']);

  it('when a mount lies on the folder or above it, it is hidden', () => {
    assert.deepEqual([hides(tree, 2, '/data/d/x'), hides(tree, 2, '/data/d/e/f/x')], [true, true]);
    assert.equal(hides(tree, 1, '/data/x'), true);
  });

  it('when mounts lie elsewhere, or on the name itself, it is not', () => {
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

  it('when names are not UTF-8, bytes are compared', () => {
    const odd = new MountTree();
    odd.add(fakeMount(1));
    odd.add(fakeMount(2, { parent: 1, mountPoint: Buffer.from([0x2f, 0xff]) }));
    assert.equal(odd.hidesFolder(1, Buffer.from([0x2f, 0xff, 0x2f, 0x78])), true);
    assert.equal(odd.hidesFolder(1, Buffer.from([0x2f, 0xfe, 0x2f, 0x78])), false);
  });
});
