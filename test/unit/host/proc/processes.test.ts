import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { LinuxProcesses } from '../../../../src/host/proc/processes.js';

describe('the tree of a process', () => {
  it('the tree of a process has its children and grandchildren, and no other process', async t => {
    const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => shell.kill('SIGKILL'));
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const sleeper = Number(line);
    t.after(() => process.kill(sleeper, 'SIGKILL'));
    assert.deepEqual(new LinuxProcesses().tree(shell.pid as number), [shell.pid, sleeper]);
    assert.ok(new LinuxProcesses().tree(process.pid).includes(sleeper));
  });

  it('the tree of a process that does not exist has only its pid', () => {
    assert.deepEqual(new LinuxProcesses().tree(4_194_304), [4_194_304]);
  });
});

/** Maps a file whose path has 250 newlines in each name, which maps shows as four characters each. */
const mapsMuch = `
import mmap, os, sys
os.chdir(sys.argv[1])
for _ in range(14):
    os.mkdir('\\n' * 250)
    os.chdir('\\n' * 250)
fd = os.open('\\n' * 250, os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, 8192)
held = [mmap.mmap(fd, 4096, prot=1 + n % 2 * 2) for n in range(6000)]
print('ready', flush=True)
sys.stdin.read()
`;

/** Says by prctl(2), PR_SET_MM_MAP, that its command line and its environment are 64 MiB of zeroes. */
const longWords = `
import ctypes, mmap, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.sbrk.restype = ctypes.c_void_p
size = 64 << 20
at = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))
stat = open('/proc/self/stat').read()
fields = [0, 0, 0] + stat[stat.rindex(')') + 2:].split()
pick = lambda n: int(fields[n])
words = [pick(26), pick(27), pick(45), pick(46), pick(47), libc.sbrk(0), pick(28), at, at + size, at, at + size, 0]
block = ctypes.create_string_buffer(struct.pack('12QIi', *words, 0, -1))
if libc.prctl(35, 14, block, len(block) - 1, 0) != 0: sys.exit(ctypes.get_errno())
print('ready', flush=True)
sys.stdin.read()
`;

/** A process of Python that has printed a line, "ready"; undefined where python3 is not installed. */
async function python(t: TestContext, program: string, ...args: string[]): Promise<number | undefined> {
  if (spawnSync('python3', ['--version']).status !== 0) {
    t.skip('python3 is not installed');
    return undefined;
  }
  const child = spawn('python3', ['-c', program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  // A read may end within the line, because Python writes the text and its newline one after the other.
  const { value: line } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  assert.equal(line, 'ready', 'the program of Python ended before it was ready');
  return child.pid;
}

describe('texts of /proc that a process makes long', () => {
  it('when the maps of a process are very long, they are not read to their end, and there are none', async t => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-maps-'));
    t.after(() => execFileSync('rm', ['-r', folder]));
    const pid = await python(t, mapsMuch, folder);
    if (pid === undefined) return;
    const processes = new LinuxProcesses();
    for (const read of ['maps', 'writableShared'] as const)
      assert.throws(() => processes[read](pid), /EFBIG: \/proc\/\d+\/maps has more than 33554432 bytes/);
  });

  it('when a process says that its command line is very long, the first 2 MiB are read', async t => {
    const pid = await python(t, longWords);
    if (pid === undefined) return;
    const processes = new LinuxProcesses();
    assert.equal(processes.commandLine(pid).join(' ').length, (2 << 20) - 1);
    assert.equal(processes.environment(pid, 'PATH'), undefined);
  });
});

describe('the device of shared memory', () => {
  it('the device of shared memory is that of a memfd, and of no mount', () => {
    const processes = new LinuxProcesses();
    const dev = processes.sharedMemoryDev();
    assert.notEqual(dev, undefined);
    assert.equal(processes.sharedMemoryDev(), dev);
    assert.ok(processes.mounts(process.pid).every(mount => mount.dev !== dev));
  });
});
