import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ghost } from '../../../../src/ghost/ghost.js';
import { MountTree } from '../../../../src/ghost/mounts/cover.js';
import { noteRestorablePaths } from '../../../../src/ghost/mounts/restorable-path.js';
import { type FakeFile, fakeFile, fakeHost, fakeMount } from '../../fake-host.js';

/** The restorable paths of ghosts with these PATHS. Another mount lies on `/data/hidden` of their mount. */
function pathsOf(
  paths: string[],
  mountPoint = '/data',
  inRoot?: Record<string, FakeFile>,
  mode = 0o100600,
): (string | undefined)[] {
  const { processes } = fakeHost();
  processes.add(100, { ...(inRoot ? { inRoot } : {}) });
  const tree = new MountTree();
  tree.add(fakeMount(30, { mountPoint: Buffer.from(mountPoint) }));
  tree.add(fakeMount(31, { parent: 30, mountPoint: Buffer.from('/data/hidden') }));
  const ghost = { class: 'unlinked', stat: { mode } } as Ghost;
  const held = paths.map(path => ({
    ghost,
    mount: { id: 30, path: Buffer.from(path, 'latin1'), mountPoint: Buffer.from(mountPoint) },
  }));
  noteRestorablePaths(processes, tree, inRoot && 100, held);
  return held.map(({ mount }) => (mount as { restorable?: Buffer }).restorable?.toString('latin1'));
}
const pathOf = (path: string, mountPoint?: string) => pathsOf([path], mountPoint)[0];
const own = /^\/data\/\.ghostkeep-[0-9a-f]{24}$/;

describe('noteRestorablePaths', () => {
  it('when CRIU can make a ghost by its own path, the ghost gets no other path', () => {
    for (const path of ['/data/x', `/data/${'n'.repeat(237)}`, '/data/d/x (deleted)', '/data/\xff\n'])
      assert.equal(pathOf(path), undefined, path);
  });

  it("when the name of a ghost is too long for CRIU's suffix, the ghost gets a short name in the same folder", () => {
    assert.match(pathOf(`/data/d/${'n'.repeat(238)}`) ?? '', /^\/data\/d\/\.ghostkeep-[0-9a-f]{24}$/);
    assert.match(pathOf(`/${'n'.repeat(255)}`, '/') ?? '', /^\/\.ghostkeep-[0-9a-f]{24}$/);
  });

  it("when the whole path of a ghost is too long for CRIU's temporary folder, it gets a name in the root of the mount", () => {
    assert.equal(pathOf(`/data${'/folder'.repeat(500)}`), undefined);
    assert.match(pathOf(`/data${'/folder'.repeat(560)}`) ?? '', own);
  });

  it('when the name of a ghost is taken, it gets another one in its folder, because its process may not write in the root', () => {
    const [taken, free] = pathsOf(['/data/d/x', '/data/d/y'], '/data', { '/data/d/x': fakeFile() });
    assert.match(taken ?? '', /^\/data\/d\/\.ghostkeep-[0-9a-f]{24}$/);
    assert.equal(free, undefined);
  });

  it('when the folder of a ghost is a file by now, the ghost gets a name in the root of the mount', () => {
    assert.match(pathsOf(['/data/d/x'], '/data', { '/data/d': fakeFile() })[0] ?? '', own);
  });

  it('when the folder of a ghost is hidden by another mount, the ghost gets a name in the root of the mount', () => {
    assert.match(pathOf('/data/hidden/d/x') ?? '', own);
  });

  it('when many ghosts are in one folder, each gets a name of its own', () => {
    const paths = pathsOf(['/data/hidden/x', '/data/hidden/x', '/data/hidden/y', '/data/z']);
    assert.deepEqual([new Set(paths).size, paths[3]], [4, undefined]);
  });

  it('when the name of a removed folder is taken, by a file or by another removed folder, it gets another name beside it; a long name stays', () => {
    const long = `/data/${'n'.repeat(255)}`;
    const paths = ['/data/d', '/data/free', '/data/twice', '/data/twice', long];
    const [taken, free, first, second, ...rest] = pathsOf(
      paths,
      '/data',
      { '/data/d': fakeFile() },
      0o040755,
    );
    assert.match(taken ?? '', own);
    assert.deepEqual([free, first], [undefined, undefined]);
    assert.match(second ?? '', own);
    assert.deepEqual(rest, [undefined]);
  });

  it('when the mount is a single file, the ghost gets no other path, because there is no folder for it', () => {
    assert.equal(pathOf('/data/hidden', '/data/hidden'), undefined);
    assert.equal(pathOf(`/data2/${'n'.repeat(255)}`), undefined);
  });
});
