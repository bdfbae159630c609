import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { OpenFds } from '../../../../src/base/host/host.js';
import { OpenFdsAhead, readOpenFds } from '../../../../src/host/native/open-fds.js';
import { LocalMounts } from '../../../../src/host/proc/local-mounts.js';
import { LinuxProcesses } from '../../../../src/host/proc/processes.js';

const own = '/proc/self/fd';
const local = new LocalMounts(new LinuxProcesses(), [process.pid]).ids;
let top: string;
let fds: number[];
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-fds-'));
  fds = [];
});
afterEach(() => {
  for (const fd of fds) fs.closeSync(fd);
  fs.rmSync(top, { recursive: true });
});

function open(name: string): number {
  const fd = fs.openSync(path.join(top, name), 'w+');
  fds.push(fd);
  return fd;
}

function filesOf(others: BigUint64Array): Map<number, string> {
  const found = new Map<number, string>();
  for (let at = 0; at < others.length; at += 3)
    found.set(Number(others[at]), `${others[at + 1]}/${others[at + 2]}`);
  return found;
}

describe('readOpenFds', () => {
  it('when a file has lost its name, its descriptor is a suspect; a live file is listed with device and inode', () => {
    const live = open('live');
    const unlinked = open('unlinked');
    fs.rmSync(path.join(top, 'unlinked'));
    const linked = open('first');
    fs.linkSync(path.join(top, 'first'), path.join(top, 'second'));
    fs.rmSync(path.join(top, 'first'));
    const names = [
      '.nfs0000000000000000000000ff',
      '.fuse_hidden0000000200000001',
      '.__afs0A',
      '.ghost-ntfs-3g-1',
    ];
    const silly = names.map(open);
    const nearlySilly = open('nfs.fuse_hidden');
    const { suspects, others } = readOpenFds(own, local);
    const files = filesOf(others);
    for (const fd of [unlinked, linked, ...silly]) {
      assert.ok(suspects.includes(fd), `descriptor ${fd} is a suspect`);
      assert.ok(!files.has(fd));
    }
    const { dev, ino } = fs.fstatSync(live, { bigint: true });
    assert.equal(files.get(live), `${dev}/${ino}`);
    assert.ok(files.has(nearlySilly) && !suspects.includes(live));
  });

  it('when a removed directory is open, it is a suspect by its link count, whatever its name is', () => {
    fs.mkdirSync(path.join(top, 'folder'));
    const fd = fs.openSync(path.join(top, 'folder'), 'r');
    fds.push(fd);
    fs.rmdirSync(path.join(top, 'folder'));
    assert.ok(readOpenFds(own, local).suspects.includes(fd));
  });

  it("when a live file's name ends in ' (deleted)', it is a suspect too", () => {
    const fd = open('alive (deleted)');
    assert.ok(readOpenFds(own, local).suspects.includes(fd));
  });

  it('when a descriptor is a character device, it is a suspect, because it may be /dev/fuse', () => {
    fds.push(fs.openSync('/dev/null', 'r'));
    assert.ok(readOpenFds(own, local).suspects.includes(fds[0] as number));
  });

  it('when a descriptor is a socket, it is not listed as a file, and later descriptors are not lost', async () => {
    const server = net.createServer().listen(path.join(top, 'socket'));
    await new Promise(resolve => server.once('listening', resolve));
    const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
    const after = open('after');
    const { suspects, others } = readOpenFds(own, local);
    assert.match(fs.readlinkSync(`${own}/${fd}`), /^socket:/);
    assert.ok(!suspects.includes(fd) && !filesOf(others).has(fd));
    assert.ok(filesOf(others).has(after));
    await new Promise(resolve => server.close(resolve));
  });

  it('when there are more descriptors than one thread or one call takes, each of them is found', () => {
    const many = 17_000;
    for (let n = 0; n < many; n += 1) fds.push(fs.openSync(top, 'r'));
    const last = open('unlinked');
    fs.rmSync(path.join(top, 'unlinked'));
    const { suspects, others } = readOpenFds(own, local);
    const files = filesOf(others);
    const { dev, ino } = fs.statSync(top, { bigint: true });
    for (const fd of fds.slice(0, -1)) assert.equal(files.get(fd), `${dev}/${ino}`);
    assert.ok(suspects.includes(last));
    assert.equal(new Set([...files.keys(), ...suspects]).size, files.size + suspects.length);
  });

  it('when the process is gone, its errno is thrown', () => {
    assert.throws(() => readOpenFds('/proc/4194305/fd', local), { code: 'ENOENT' });
  });
});

describe('OpenFdsAhead', () => {
  const pids = [process.pid, process.ppid, 1, 4_194_305, ...Array<number>(8).fill(process.pid)];

  it('when processes are asked for in their order, each answer is as if read alone; a process that is gone throws its errno', t => {
    open('live');
    const unlinked = open('unlinked');
    fs.rmSync(path.join(top, 'unlinked'));
    const ahead = new OpenFdsAhead(pids, local);
    t.after(() => ahead.end());
    for (const pid of pids) {
      if (pid > 4_194_304) assert.throws(() => ahead.take(pid), { code: 'ENOENT' });
      else if (pid === process.pid) {
        const taken = ahead.take(pid) as OpenFds;
        assert.ok(taken.suspects.includes(unlinked));
        assert.ok(filesOf(taken.others).has(fds[0] as number));
      } else ahead.take(pid);
    }
    assert.equal(ahead.take(process.pid), undefined);
  });

  it('when take() is called out of turn, or the list is too short for threads, it returns undefined', t => {
    const ahead = new OpenFdsAhead(pids, local);
    t.after(() => ahead.end());
    assert.equal(ahead.take(1), undefined);
    assert.equal(new OpenFdsAhead([process.pid], local).take(process.pid), undefined);
  });
});
