import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { type FakeProcess, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

const at = (id: number, path: string) => fakeMount(id, { mountPoint: Buffer.from(path) });
const before = { namespace: 'mnt:[7]', mounts: [at(30, '/'), at(31, '/data')] };
const after = { namespace: 'mnt:[8]', mounts: [at(40, '/'), at(41, '/data')] };
const jail = opened(fakeFile({ mode: 0o40755, nlink: 2, ino: 2n }), '/jail');
const far = (values = {}) => opened(fakeFile(values), '/data/x (deleted)', { mount: 31 });

function find(declared: Record<number, FakeProcess>, pids = Object.keys(declared).map(Number)) {
  const { processes } = fakeHost();
  for (const [pid, process] of Object.entries(declared)) processes.add(Number(pid), process);
  const read: number[] = [];
  const { mounts } = processes;
  processes.mounts = pid => {
    read.push(pid);
    return mounts(pid);
  };
  const asked: number[] = [];
  const { areFree, namesOf } = processes;
  processes.areFree = (pid, ...rest) => {
    asked.push(pid);
    return areFree.call(processes, pid, ...rest);
  };
  processes.namesOf = (pid, ...rest) => {
    asked.push(pid);
    return namesOf.call(processes, pid, ...rest);
  };
  const [ghost] = findGhosts(processes, pids).ghosts;
  assert.ok(ghost);
  return { ghost, mount: ghost.mounts[0], read, asked };
}

describe("a mount that is not in the namespace of the ghost's holder", () => {
  it("when a ghost's mount is only in another process's namespace, ghostkeep keeps the ghost, by that namespace's paths", () => {
    for (const holds of [{ fds: { 3: far() } }, { maps: [{ address: '1000-2000', opened: far() }] }]) {
      const { ghost, mount, asked } = find({ 100: before, 200: { ...after, ...holds } });
      assert.deepEqual(
        [ghost.keep, ghost.filesystem, String(mount?.mountPoint)],
        ['ghostkeep', 'ext4', '/data'],
      );
      assert.deepEqual(asked, [100]);
    }
  });

  it('the mount of a ghost is found whether the process that sees it comes first, last, or beside a chrooted one', () => {
    const holder = { ...after, fds: { 3: far() } };
    const chrooted = { ...before, root: jail, mounts: [] };
    for (const declared of [
      { 100: holder, 200: before },
      { 100: chrooted, 200: holder, 300: before },
    ])
      assert.equal(find(declared).ghost.keep, 'ghostkeep');
  });

  it('when an inode has another name, the name is looked for in the namespace of its mount', () => {
    const file = { nlink: 1 };
    const inRoot = { '/data/other': fakeFile(file) };
    const { ghost, asked } = find({
      100: { ...before, inRoot },
      200: { ...after, fds: { 3: far(file) } },
    });
    assert.deepEqual(
      [ghost.class, ghost.keep, String(ghost.mounts[0]?.names)],
      ['linked', 'ghostkeep', '/data/other'],
    );
    assert.deepEqual([...new Set(asked)], [100]);
  });

  it("when no searched process is in the mount's namespace, CRIU keeps the ghost and will refuse it", () => {
    const { ghost, mount } = find({ 200: { ...after, fds: { 3: far() } } });
    assert.equal(ghost.keep, 'criu');
    assert.match(ghost.why, /in no mount namespace that CRIU looks in/);
    assert.equal(mount?.mountPoint, undefined);
  });

  it("when only a thread is in the mount's namespace, CRIU keeps the ghost and will refuse it", () => {
    const fds = { 3: far() };
    for (const own of [{ fds }, {}]) {
      const process = { ...after, ...own, threadsApart: [101] };
      const { ghost } = find({ 100: process, 101: { ...before, fds } }, [100]);
      assert.equal(ghost.keep, 'criu');
      assert.match(ghost.why, /in no mount namespace that CRIU looks in/);
    }
  });

  it("when only the mount of a memfd is missing, no other process's mounts are read", () => {
    const memfd = opened(fakeFile({ ino: 9n }), '/memfd:x (deleted)', { mount: 2 });
    const { read } = find({ 100: before, 200: { ...after, fds: { 3: memfd } } });
    assert.deepEqual(read, [200]);
  });
});

describe('a mount that a chrooted process does not see', () => {
  const chrooted = (namespace: string) => ({ namespace, root: jail, mounts: [], fds: { 3: far() } });

  it('when the mount is in our own namespace, which CRIU sees too, ghostkeep keeps the ghost', () => {
    const { processes } = fakeHost();
    processes.add(100, chrooted('mnt:[1]'));
    processes.add(processes.self(), { namespace: 'mnt:[1]', mounts: before.mounts });
    const [ghost] = findGhosts(processes, [100]).ghosts;
    assert.deepEqual([ghost?.keep, String(ghost?.mounts[0]?.mountPoint)], ['ghostkeep', '/data']);
  });

  it('when only a process outside the search sees the mount, it is found, and CRIU keeps the ghost', () => {
    const { ghost, mount } = find({ 100: chrooted('mnt:[7]'), 200: before }, [100]);
    assert.deepEqual([ghost.keep, ghost.filesystem, String(mount?.mountPoint)], ['criu', 'ext4', '/data']);
  });

  it("when the holder's root was unmounted, that root is not taken for the namespace's own", () => {
    const gone = { namespace: 'mnt:[7]', mounts: [], fds: { 3: far() } };
    assert.equal(find({ 100: gone, 200: before }).ghost.keep, 'ghostkeep');
  });
});
