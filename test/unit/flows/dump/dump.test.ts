import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bounds } from '../../../../src/base/bounds.js';
import { dumpGhosts } from '../../../../src/flows/dump/dump.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { manifestExists, readJournal } from '../../../../src/image/manifest.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeContext, fakeFile, fakeHost, opened } from '../../fake-host.js';

const images = '/img';
const deleted = '/data/tmp (deleted)';

/** A process with two ghosts, of which one can be looked at. */
function halfSeen() {
  const context = fakeContext(fakeHost());
  const [seen, other] = [opened(fakeFile({ ino: 1n }), deleted), opened(fakeFile({ ino: 2n }), deleted)];
  context.host.processes.add(100, { fds: { 3: seen, 4: other }, fails: { 'stat fd/4': 'EIO' } });
  context.host.files.folders.add(images);
  return context;
}

const request = (criu: boolean) => ({ images, pids: [100], policy: resolvePolicy(), criu });

describe('when some files could not be looked at', () => {
  it('a dump without CRIU fails if a file could not be looked at, because nobody else would keep it', async () => {
    const context = halfSeen();
    await assert.rejects(
      dumpGhosts(context, request(false)),
      ghostkeepError('GHOST_UNREADABLE', /fd 4 .*EIO/),
    );
    assert.equal(readJournal(context.host.files, images), undefined);
    assert.equal(manifestExists(context.host.files, images), false);
  });

  it('a dump by CRIU keeps what was seen, and leaves files that could not be looked at to CRIU, which looks itself', async () => {
    const context = halfSeen();
    const { journal } = await dumpGhosts(context, request(true));
    assert.deepEqual(
      journal.ghosts.map(({ ino }) => ino),
      [1],
    );
    assert.match(context.lines.join('\n'), /^warn cannot look at fd 4 of process 100: EIO/m);
  });

  it('a dump by CRIU is refused if the files of a thread apart were not seen, because CRIU does not see them either', async () => {
    for (const fails of [{ threadsApart: 'E2BIG' }, { 'stat fd/4': 'EIO' }]) {
      const context = fakeContext(fakeHost());
      const fds = { 4: opened(fakeFile(), deleted) };
      context.host.processes.add(100, 'threadsApart' in fails ? { fails } : { threadsApart: [101] });
      context.host.processes.add(101, { fds, fails: 'threadsApart' in fails ? {} : fails });
      context.host.files.folders.add(images);
      await assert.rejects(dumpGhosts(context, request(true)), ghostkeepError('GHOST_UNREADABLE'));
    }
  });

  it('a folder, or a file that still has its name, does not fail the dump if it could not be looked at', async () => {
    const context = fakeContext(fakeHost());
    const [named, gone] = [opened(fakeFile({ ino: 2n, nlink: 1 }), '/nfs/x'), opened(fakeFile(), deleted)];
    const fails = { 'stat cwd': 'ESTALE', 'stat fd/4': 'ENOTCONN' };
    context.host.processes.add(100, { cwd: named, fds: { 3: gone, 4: named }, fails });
    context.host.files.folders.add(images);
    const { journal } = await dumpGhosts(context, request(false));
    assert.equal(journal.ghosts.length, 1);
  });

  it('a zombie, whose descriptors only root may list, counts as a process without ghosts', async () => {
    const context = halfSeen();
    context.host.processes.add(200, {
      fds: { 3: opened(fakeFile(), deleted) },
      exe: opened(fakeFile(), '/bin/x'),
    });
    context.host.processes.add(300, { fails: { fds: 'EACCES' } });
    const { journal } = await dumpGhosts(context, { ...request(false), pids: [200, 300] });
    assert.equal(journal.ghosts.length, 1);
  });

  it('a process that has ended meanwhile counts as a process without ghosts', async () => {
    const context = halfSeen();
    context.host.processes.add(200, { fds: { 3: opened(fakeFile(), deleted) } });
    const { journal } = await dumpGhosts(context, { ...request(false), pids: [200, 300] });
    assert.equal(journal.ghosts.length, 1);
  });
});

describe('when only a thread with its own descriptors holds a ghost', () => {
  function apart(shared: boolean) {
    const { context } = whole();
    const own = opened(fakeFile({ ino: 7n }), deleted);
    context.host.processes
      .add(100, { fds: shared ? { 3: own } : {}, threadsApart: [101] })
      .add(101, { fds: { 5: own } });
    return context;
  }

  it('a dump without CRIU keeps a ghost that only a thread with its own descriptors holds', async () => {
    const { journal } = await dumpGhosts(apart(false), request(false));
    assert.deepEqual(
      journal.ghosts.map(({ ino, holders }) => [ino, holders.map(({ pid, fd }) => `${pid} ${fd}`)]),
      [[7, ['101 5']]],
    );
  });

  it('a dump by CRIU is refused if only a thread with its own descriptors holds a ghost, because CRIU would lose it silently', async () => {
    await assert.rejects(
      dumpGhosts(apart(false), request(true)),
      ghostkeepError('GHOST_UNREADABLE', 'only thread 101 holds it', 'unshare(CLONE_FILES)'),
    );
  });

  it('a dump by CRIU goes on if the main thread holds the ghost of such a thread too', async () => {
    const { journal } = await dumpGhosts(apart(true), request(true));
    assert.equal(journal.ghosts.length, 1);
  });
});

describe('when CRIU would keep or refuse a ghost itself', () => {
  const memfd = fakeFile({ ino: 5n, dev: 1n });
  const far = fakeFile({ ino: 6n });
  const holding = () => {
    const context = fakeContext(fakeHost());
    const fds = {
      3: opened(memfd, '/memfd:queue (deleted)', { mount: 2 }),
      4: opened(far, '/big (deleted)', { mount: 77 }),
      5: opened(fakeFile({ ino: 7n, dev: 1n }), '/SYSV00000000 (deleted)', { mount: 2 }),
    };
    context.host.processes.add(100, { fds });
    context.host.files.folders.add(images);
    return context;
  };

  it('a dump without CRIU copies a ghost that CRIU would keep or refuse, with the mount ids that it has', async () => {
    const { journal } = await dumpGhosts(holding(), request(false));
    assert.deepEqual(
      journal.ghosts.map(({ path, mounts, filesystem, data }) => [path, mounts, filesystem, !!data]),
      [
        ['/memfd:queue', [2], 'unknown', true],
        ['/big', [77], 'ext4', true],
      ],
    );
  });

  it('a dump by CRIU leaves a ghost to CRIU that CRIU keeps or refuses', async () => {
    const { journal } = await dumpGhosts(holding(), request(true));
    assert.deepEqual(journal.ghosts, []);
  });

  it('a dump without CRIU copies a linked ghost of which no name was found, on a disk too', async () => {
    const context = fakeContext(fakeHost());
    context.host.processes.add(100, { fds: { 3: opened(fakeFile({ nlink: 1 }), deleted) } });
    context.host.files.folders.add(images);
    const { journal } = await dumpGhosts(context, request(false));
    assert.deepEqual(
      journal.ghosts.map(ghost => [ghost.class, ghost.linked, ghost.paths.length]),
      [['linked', undefined, 1]],
    );
  });
});

describe('when the disk fails to store an image after write(2) has returned', () => {
  it('a dump without CRIU fails if the disk has lost an image, and the next one begins anew', async () => {
    const { context, files } = whole();
    files.lostWrites.add(`${images}/ghostkeep/pending-1.img`);
    await assert.rejects(dumpGhosts(context, request(false)), ghostkeepError('IO', 'pending-1.img', 'EIO'));
    assert.deepEqual(files.snapshot(), {});
    const { journal } = await dumpGhosts(context, request(false));
    assert.equal(journal.ghosts.length, 1);
  });

  it('a dump by CRIU does not wait until images are on the disk while the processes are frozen', async () => {
    const { context, files } = whole();
    files.lostWrites.add(`${images}/ghostkeep/pending-1.img`);
    await dumpGhosts(context, request(true));
    assert.equal(files.lostWrites.size, 1);
  });

  it('a seal fails if the disk has lost an image', async () => {
    const { context, files } = whole();
    await dumpGhosts(context, request(false));
    files.lostWrites.add(`${images}/ghost-file-1.img`);
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('IO', 'ghost-file-1.img', 'part of it is lost'),
    );
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('IMAGE_MISSING', 'ghost-file-1.img'),
    );
    assert.equal(manifestExists(files, images), false);
    assert.ok(files.exists(`${images}/ghost-file-1.img.lost`));
  });
});

function whole() {
  const context = fakeContext(fakeHost());
  const { processes, files } = context.host;
  processes.add(100, { fds: { 3: opened(fakeFile(), deleted) } });
  files.folders.add(images);
  return { context, files };
}

describe('when ghosts have very many extended attributes', () => {
  it('when all attributes have more bytes than a manifest may, the dump fails, and reads no more of them', async () => {
    const context = fakeContext(fakeHost());
    const fds = Object.fromEntries(
      [3, 4, 5, 6].map(fd => [fd, opened(fakeFile({ ino: BigInt(fd) }), deleted)] as const),
    );
    context.host.processes.add(100, { fds });
    context.host.files.folders.add(images);
    const rooms: (number | undefined)[] = [];
    const [room, each] = [bounds.manifest.bytes, 25 << 20];
    context.host.engine.xattrs = (_fd, most = 0) => {
      rooms.push(most);
      if (each > most) throw errno('E2BIG');
      return { 'user.large': Buffer.alloc(each) };
    };
    await assert.rejects(
      dumpGhosts(context, request(false)),
      ghostkeepError('MANIFEST_INVALID', 'the extended attributes of all ghosts'),
    );
    assert.deepEqual(rooms, [room, room - each]);
  });
});
