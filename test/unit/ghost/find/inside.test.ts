import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { lookInside } from '../../../../src/ghost/find/inside.js';
import { type FakeProcess, fakeFile, fakeHost, opened } from '../../fake-host.js';

const socket = (ino: number, inFlight: number) =>
  `pos:\t0\nflags:\t02\nmnt_id:\t10\nino:\t${ino}\nscm_fds: ${inFlight}\n`;
const ring = (files: string, after = 'UserBufs:\t0\nPollList:\n') =>
  `pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t77\nSqMask:\t0x3\nSqTotalTime:\t0\n${files}${after}`;

function look(process: FakeProcess, more: Record<number, FakeProcess> = {}) {
  const { processes } = fakeHost();
  const all = { 100: process, ...more };
  for (const [pid, each] of Object.entries(all)) processes.add(Number(pid), each);
  const inside = () => lookInside(processes, findGhosts(processes, Object.keys(all).map(Number)));
  return { processes, inside };
}

describe('files in flight in a unix socket', () => {
  it('a unix socket with a file in flight is reported, and a socket with nothing in flight is not', () => {
    const found = look({ fdInfo: { 4: socket(1, 2), 5: socket(2, 0), 6: 'pos:\t0\n' } }).inside();
    assert.deepEqual(
      found.map(({ pid, what, inside }) => [pid, what, inside]),
      [[100, 'fd 4', 'unix socket']],
    );
    assert.match(found[0]?.why ?? '', /^2 descriptors are in flight/);
  });

  it('a socket that several descriptors and processes share is reported once', () => {
    const shared = { fdInfo: { 4: socket(1, 1), 5: socket(1, 1) } };
    assert.equal(look(shared, { 200: shared }).inside().length, 1);
  });

  it('a socket that was closed meanwhile is not reported, and a refused fdinfo is', () => {
    const fdInfo = { 4: socket(1, 1) };
    assert.deepEqual(look({ fdInfo, fails: { 'fdInfo 4': 'ENOENT' } }).inside(), []);
    const [refused] = look({ fdInfo, fails: { 'fdInfo 4': 'EACCES' } }).inside();
    assert.deepEqual([refused?.what, refused?.inside], ['fd 4', undefined]);
  });
});

describe('files registered with io_uring', () => {
  const paths = (files: string, process: FakeProcess = {}) =>
    look({ fdInfo: { 3: ring(files) }, ...process })
      .inside()
      .map(({ path, why }) => path ?? why);

  it('a file without a name that is only registered with io_uring is reported', () => {
    const files =
      'UserFiles:\t4\n    0: /tmp/a\\040(deleted)\n    1: /etc/passwd\n    2: socket:[12]\n    3: /n/.nfs000000000000000200000001\n';
    assert.deepEqual(paths(files), ['/tmp/a', '/n/.nfs000000000000000200000001']);
    const held = { fds: { 7: opened(fakeFile(), '/tmp/a (deleted)') } };
    assert.deepEqual(paths(files, held), ['/n/.nfs000000000000000200000001']);
  });

  it('two registered files with the name of one ghost: one of them may be another file, and is reported', () => {
    const files = 'UserFiles:\t2\n    0: /tmp/a\\040(deleted)\n    1: /tmp/a\\040(deleted)\n';
    const held = { fds: { 7: opened(fakeFile(), '/tmp/a (deleted)') } };
    assert.deepEqual(paths(files, held), ['/tmp/a']);
  });

  it('a hostile name of a registered file keeps its bytes, and its text is escaped', () => {
    const [found] = look({
      fdInfo: { 3: ring('UserFiles:\t1\n    0: /a\\012\\134\u001b\xff\\040(deleted)\n') },
    }).inside();
    assert.equal(found?.path, '/a\\x0a\\x5c\\x1b\\xff');
    assert.deepEqual(
      Buffer.from(found?.pathBytes ?? '', 'base64'),
      Buffer.from('/a\n\\\u001b\xff', 'latin1'),
    );
  });

  it('a registered file is reported where the kernel shows only the last part of its name', () => {
    assert.deepEqual(paths('UserFiles:\t2\n    0: passwd\n    1: <none>\n'), ['passwd']);
  });

  it('a ring in use that does not show its list is read three times and then reported', () => {
    const { processes, inside } = look({ fdInfo: { 3: ring('', '') } });
    assert.match(inside()[0]?.why ?? '', /kernel does not say which files/);
    assert.equal(processes.fdInfosRead.length, 3);
  });

  it('a list of registered files that is too long to be read whole is reported', () => {
    const line = `    1: ${'/x'.repeat(2000)}\\040(deleted)\n`;
    const found = paths(`UserFiles:\t1000\n${line.repeat(1000)}`);
    assert.equal(found.length, 2);
    assert.match(found[1] ?? '', /there are too many/);
  });
});

describe('files behind a loop device', () => {
  const device = (rdev: bigint) => opened(fakeFile({ mode: 0o60660, nlink: 1, rdev, ino: 9n }), '/dev/loop7');

  it('a file without a name behind a loop device is reported once; a file with a name and other devices are not', () => {
    const { processes, inside } = look(
      { fds: { 3: device(7n), 4: device(7n), 5: device(8n), 6: device(9n) } },
      { 200: { fds: { 3: device(7n) } } },
    );
    processes.backingFiles.set(7n, Buffer.from('/srv/disk (deleted)'));
    processes.backingFiles.set(8n, Buffer.from('/srv/other'));
    assert.deepEqual(
      inside().map(({ pid, what, inside, path }) => [pid, what, inside, path]),
      [[100, 'fd 3', 'loop device', '/srv/disk']],
    );
  });

  it('a file behind a loop device is not reported if a descriptor leads to it as well', () => {
    const { processes, inside } = look({
      fds: { 3: device(7n), 4: opened(fakeFile(), '/srv/disk (deleted)') },
    });
    processes.backingFiles.set(7n, Buffer.from('/srv/disk (deleted)'));
    assert.deepEqual(inside(), []);
  });
});
