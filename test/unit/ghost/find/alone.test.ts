import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { whyNotCopied } from '../../../../src/ghost/find/alone.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { type FakeProcess, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

const memory = makeDev(0n, 1n);
const fuse = opened(fakeFile({ mode: 0o020600, nlink: 1, rdev: 0x0ae5n, ino: 99n }), '/dev/fuse');

/** The reason why a dump without CRIU does not copy the one ghost of a process. */
function whyNot(process: FakeProcess): string | undefined {
  const { processes } = fakeHost();
  processes.add(100, process);
  const { ghosts, servesFuse } = findGhosts(processes, [100]);
  assert.equal(ghosts.length, 1);
  const [ghost] = ghosts;
  return ghost && whyNotCopied(ghost, servesFuse, processes);
}

const lost = (name: string, dev = makeDev(0n, 77n)) =>
  opened(fakeFile({ dev }), `${name} (deleted)`, { mount: 77 });

describe('whyNotCopied, for a dump without CRIU', () => {
  it('a dump without CRIU copies a ghost whose mount is nowhere or covered', () => {
    assert.equal(whyNot({ fds: { 3: lost('/x') } }), undefined);
    const mounts = [fakeMount(30), fakeMount(31, { parent: 30 })];
    assert.equal(whyNot({ mounts, fds: { 3: opened(fakeFile(), '/x (deleted)') } }), undefined);
  });

  it('a dump without CRIU copies a ghost on huge pages, because it can be read', () => {
    const mounts = [fakeMount(30, { filesystem: 'hugetlbfs' })];
    assert.equal(whyNot({ mounts, fds: { 3: opened(fakeFile(), '/x (deleted)') } }), undefined);
    assert.equal(whyNot({ fds: { 3: lost('/memfd:huge', makeDev(0n, 17n)) } }), undefined);
  });

  it('a dump without CRIU does not copy a ghost that is memory which the kernel shows as a file', () => {
    for (const name of ['/SYSV0001e240', '/dev/zero', '/[aio]', '/anon_hugepage', '/secretmem'])
      assert.match(whyNot({ fds: { 3: lost(name, memory) } }) ?? '', /: memory of its processes/, name);
  });

  it('a dump without CRIU does not copy a directory or a FIFO, because it has no content', () => {
    for (const mode of [0o040755, 0o010644])
      assert.match(
        whyNot({ fds: { 3: opened(fakeFile({ mode }), '/x (deleted)') } }) ?? '',
        /: it has no content/,
      );
  });

  it('a dump without CRIU does not copy a ghost that cannot be opened from here, and gives that as the reason', () => {
    const maps = [{ address: '1000-2000', opened: lost('/x') }];
    assert.match(
      whyNot({ maps, fails: { 'mountThrough map_files/1000-2000': 'EACCES' } }) ?? '',
      /cannot be opened/,
    );
  });

  it('a dump without CRIU does not copy a ghost whose FUSE server may be stopped; it copies ghosts on a disk and memfds', () => {
    const on = (filesystem: string) => ({
      mounts: [fakeMount(30, { filesystem })],
      fds: { 3: opened(fakeFile(), '/x (deleted)'), 9: fuse },
    });
    const server = /may be its FUSE server/;
    assert.match(whyNot(on('fuse.sshfs')) ?? '', server);
    assert.match(whyNot(on('fuseblk')) ?? '', server);
    assert.equal(whyNot(on('ext4')), undefined);
    assert.equal(whyNot({ fds: { 3: lost('/memfd:queue', memory), 9: fuse } }), undefined);
    // The mount of this file is gone, and the file may have any name.
    assert.match(whyNot({ fds: { 3: lost('/x'), 9: fuse } }) ?? '', server);
    assert.match(whyNot({ fds: { 3: lost('/memfd:queue'), 9: fuse } }) ?? '', server);
  });

  it('when the mount of a ghost is gone, another mount of the same device tells whether the ghost is on FUSE', () => {
    const seen = (filesystem: string) => ({
      mounts: [fakeMount(30, { filesystem, dev: makeDev(0n, 77n) })],
      fds: { 3: lost('/x'), 9: fuse },
    });
    assert.equal(whyNot(seen('ext4')), undefined);
    assert.match(whyNot(seen('fuse')) ?? '', /may be its FUSE server/);
  });
});
