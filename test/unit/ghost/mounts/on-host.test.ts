import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GhostMount } from '../../../../src/ghost/ghost.js';
import { filesystemOfUpper, findOnHost } from '../../../../src/ghost/mounts/on-host.js';
import { fakeFile, fakeHost, fakeMount } from '../../fake-host.js';

const at = (mountPoint: string, root: string, values = {}) =>
  fakeMount(50, { mountPoint: Buffer.from(mountPoint), root: Buffer.from(root), ...values });
const where = (mountPoint: string, root: string): GhostMount => ({
  id: 30,
  dev: fakeMount(1).dev,
  mountPoint: Buffer.from(mountPoint),
  root: Buffer.from(root),
  path: Buffer.from('/x'),
});
const show = (found: ReturnType<typeof findOnHost>) => found && `${found.mount.mountPoint} + ${found.name}`;

describe('findOnHost', () => {
  it('when the container mounts a folder of a file system, the file is found below one of our own mounts', () => {
    const found = (ours: ReturnType<typeof at>[]) =>
      show(findOnHost(ours, where('/data', '/vol'), Buffer.from('/data/d/f')));
    assert.equal(found([at('/', '/')]), '/ + vol/d/f');
    assert.equal(found([at('/srv', '/vol')]), '/srv + d/f');
    assert.equal(found([at('/', '/'), at('/srv', '/vol/d')]), '/srv + f');
    assert.equal(found([at('/file', '/vol/d/f')]), '/file + ');
  });

  it('when none of our own mounts shows the file, the result is undefined', () => {
    const found = (mount: ReturnType<typeof at>) =>
      findOnHost([mount], where('/data', '/vol'), Buffer.from('/data/f'));
    assert.equal(found(at('/', '/', { dev: 7n })), undefined);
    assert.equal(found(at('/', '/volume')), undefined);
    assert.equal(found(at('/', '/vol', { rootGone: true })), undefined);
    assert.equal(findOnHost([at('/', '/')], { dev: 1n }, Buffer.from('/x')), undefined);
    assert.equal(findOnHost([at('/', '/')], where('/data', '/vol'), Buffer.from('/database/f')), undefined);
  });
});

describe('filesystemOfUpper', () => {
  const upper = Buffer.from('/var/c/diff');
  const ask = (mounts: ReturnType<typeof at>[], isThere = true, trusted = ['ext4']) => {
    const { processes } = fakeHost();
    processes.add(processes.self(), { mounts, inRoot: isThere ? { '/var/c/diff': fakeFile() } : {} });
    return filesystemOfUpper(processes, upper, filesystem => trusted.includes(filesystem));
  };
  it('when the upper layer is a folder here, the nearest and latest mount tells its file system', () => {
    assert.equal(ask([at('/', '/')]), 'ext4');
    assert.equal(ask([at('/', '/'), at('/var', '/', { filesystem: 'tmpfs' })]), undefined);
    assert.equal(ask([at('/', '/', { filesystem: 'tmpfs' }), at('/var/c', '/')]), 'ext4');
    assert.equal(ask([at('/var', '/'), at('/var', '/', { filesystem: 'tmpfs' })]), undefined);
  });

  it('when the folder does not exist or nothing is mounted, the file system is unknown', () => {
    assert.equal(ask([at('/', '/')], false), undefined);
    assert.equal(ask([]), undefined);
    const { processes } = fakeHost();
    processes.add(processes.self(), { mounts: [at('/', '/')], inRoot: { 'c/diff': fakeFile() } });
    assert.equal(
      filesystemOfUpper(processes, Buffer.from('c/diff'), () => true),
      undefined,
    );
  });

  it('when the file system is not trusted, the folder is not looked at, because its server may not answer', () => {
    const { processes } = fakeHost();
    processes.add(processes.self(), { mounts: [at('/', '/', { filesystem: 'fuse' })] });
    processes.statInRoot = () => assert.fail('it was looked at');
    assert.equal(
      filesystemOfUpper(processes, upper, () => false),
      undefined,
    );
  });
});
