import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SearchedBefore } from '../../../../src/flows/prepared/search-again.js';
import { type Found, findGhosts } from '../../../../src/ghost/find/find.js';
import { type FakeProcess, fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const quiet = () => {};

function container() {
  const { processes } = fakeContext().host;
  const ghosts = [1n, 2n, 3n].map(ino => fakeFile({ ino }));
  const fds = Object.fromEntries(ghosts.map((ghost, n) => [n + 3, opened(ghost, `/data/${n} (deleted)`)]));
  const named = opened(fakeFile({ ino: 9n, nlink: 1 }), '/data/named');
  const process: FakeProcess = {
    mounts: [fakeMount(30, { filesystem: 'ext4' })],
    fds: { ...fds, 7: named },
    cwd: opened(fakeFile({ ino: 20n, mode: 0o040755, nlink: 2 }), '/data'),
  };
  processes.add(100, process);
  return { processes, ghosts, process };
}

/** A name that is chosen for a restore has a random part. */
const withoutRandom = (found: Found) =>
  found.ghosts.map(({ mounts, ...ghost }) => ({
    ...ghost,
    mounts: mounts.map(({ restorable, ...mount }) => ({ ...mount, isRenamed: restorable !== undefined })),
  }));

/** Searches, makes a change, searches again. @returns which ghosts are the same objects as before */
function again(change: (made: ReturnType<typeof container>) => void): boolean[] {
  const made = container();
  const { processes } = made;
  const before = new SearchedBefore(processes, [100], new Map());
  assert.equal(before.found.ghosts.length, 3);
  change(made);
  processes.add(100, made.process);
  const found = before.again(processes, [100], quiet);
  assert.deepEqual(withoutRandom(found), withoutRandom(findGhosts(processes, [100], quiet, { named: true })));
  return found.ghosts.map(ghost => before.found.ghosts.includes(ghost));
}

const [all, none] = [
  [true, true, true],
  [false, false, false],
];

describe('a search that was made before', () => {
  it('when every answer is the same, the same ghosts are given again', () => {
    assert.deepEqual(
      again(() => {}),
      all,
    );
  });

  it('when a ghost has another size, other times or another position, only that ghost is another one', () => {
    const grow = ({ ghosts: [, ghost] }: ReturnType<typeof container>) => {
      if (ghost) ghost.stat = { ...ghost.stat, size: 99n, mtimeNs: 77n, ctimeNs: 78n };
    };
    assert.deepEqual(again(grow), [true, false, true]);
    const seek = ({ process: { fds = {} } }: ReturnType<typeof container>) => {
      fds[5] = { ...(fds[5] as NonNullable<(typeof fds)[5]>), position: 5n };
    };
    assert.deepEqual(again(seek), [true, true, false]);
  });

  it('when a folder that a process is in has other times and entries, the ghosts are the same', () => {
    const touch = ({ process: { cwd } }: ReturnType<typeof container>) => {
      if (cwd) cwd.file.stat = { ...cwd.file.stat, nlink: 3, size: 8192n, mtimeNs: 5n };
    };
    assert.deepEqual(again(touch), all);
  });

  const changes: Record<string, Partial<ReturnType<typeof fakeFile>['stat']>> = {
    'inode number': { ino: 77n },
    device: { dev: 77n },
    'time of birth, because the number was used again': { birthtimeNs: 77n },
    'link count': { nlink: 1 },
    mode: { mode: 0o100600 },
    owner: { uid: 7 },
    group: { gid: 7 },
  };
  for (const [what, stat] of Object.entries(changes))
    it(`when the file behind a descriptor has another ${what}, all is searched again`, () => {
      const change = ({ ghosts: [ghost] }: ReturnType<typeof container>) => {
        if (ghost) ghost.stat = { ...ghost.stat, ...stat };
      };
      assert.ok(!again(change).includes(true));
    });

  const others: Record<string, (process: FakeProcess) => void> = {
    'there is another ghost': ({ fds = {} }) => {
      fds[8] = opened(fakeFile({ ino: 8n }), '/data/late (deleted)');
    },
    'a file that is held loses its name': ({ fds = {} }) => {
      fds[7] = opened(fakeFile({ ino: 9n, nlink: 0 }), '/data/named (deleted)');
    },
    'a ghost is closed': ({ fds = {} }) => {
      delete fds[4];
    },
    'a descriptor has another flag': ({ fds = {} }) => {
      fds[4] = { ...(fds[4] as NonNullable<(typeof fds)[4]>), flags: 0o102002 };
    },
    'the name of a ghost is another one': ({ fds = {} }) => {
      fds[4] = { ...(fds[4] as NonNullable<(typeof fds)[4]>), name: Buffer.from('/data/x (deleted)') };
    },
    'another file has the number of a ghost, and CRIU could not tell them apart': ({ fds = {} }) => {
      fds[7] = opened(fakeFile({ ino: 2n, nlink: 1, birthtimeNs: 5n }), '/data/named');
    },
    'somebody has taken the name of a ghost': process => {
      process.inRoot = { '/data/1': fakeFile({ ino: 30n, nlink: 1 }) };
    },
    'a mount is gone': process => {
      process.mounts = [fakeMount(30, { filesystem: 'ext4', rootGone: true })];
    },
    'a ghost is mapped, too': process => {
      process.maps = [{ address: '1-2', opened: opened(fakeFile({ ino: 1n }), '/data/0 (deleted)') }];
    },
  };
  for (const [what, change] of Object.entries(others))
    it(`when ${what}, all is searched again`, () => {
      assert.ok(!again(({ process }) => change(process)).includes(true));
    });

  it('when a process has more mappings than we keep, all is searched again', () => {
    const { processes, process } = container();
    const mapping = { address: '1-2', opened: opened(fakeFile({ ino: 70n, nlink: 1 }), '/lib/a') };
    process.maps = Array.from({ length: 200_001 }, () => mapping);
    processes.add(100, process);
    const before = new SearchedBefore(processes, [100], new Map());
    assert.equal(before.canRepeat, false);
    const { ghosts } = before.again(processes, [100], quiet);
    assert.equal(ghosts.length, 3);
    assert.ok(ghosts.every(ghost => !before.found.ghosts.includes(ghost)));
  });

  it('when there are other processes, all is searched again', () => {
    const { processes } = container();
    const before = new SearchedBefore(processes, [100], new Map());
    processes.add(101, { parent: 100, fds: { 3: opened(fakeFile({ ino: 50n }), '/data/more (deleted)') } });
    const found = before.again(processes, [100, 101], quiet);
    assert.equal(found.ghosts.length, 4);
    assert.deepEqual(
      found.ghosts.slice(0, 3).map(ghost => before.found.ghosts.includes(ghost)),
      none,
    );
  });
});
