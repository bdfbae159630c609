/**
 * Which engine is used and why, and which attributes of a file come back besides its bytes, on the file
 * systems that a test can make here.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { flows, ghostkeep, isRoot, needs, program, temporaryFolder } from './ghostkeep.js';
import { run, unmount } from './loop-device.js';

const build = path.join(path.dirname(program), '../build');
const source = path.join(build, '../test/scenario/fiemap-fails.c');
const block = 4096;

/** Steps to undo when the test ends, the last one first: t.after() would begin with the first. */
const undoing = new WeakMap<TestContext, (() => unknown)[]>();

function atEnd(t: TestContext, undo: () => unknown): void {
  const known = undoing.get(t);
  if (known) {
    known.push(undo);
    return;
  }
  const list = [undo];
  undoing.set(t, list);
  t.after(async () => {
    for (const each of list.reverse()) await each();
  });
}

/** A folder on a loop device or another mount of our own. */
function mounted(t: TestContext, mount: (folder: string) => void): string {
  const folder = fs.mkdtempSync(path.join(build, 'mount-'));
  atEnd(t, () => fs.rmdirSync(folder));
  mount(folder);
  atEnd(t, () => unmount(folder));
  return folder;
}

const ext4 = (t: TestContext) =>
  mounted(t, folder => {
    run('truncate', '-s', '256M', `${folder}.disk`);
    run('mke2fs', '-q', '-F', '-t', 'ext4', `${folder}.disk`);
    run('mount', '-o', 'loop', `${folder}.disk`, folder);
    fs.rmSync(`${folder}.disk`);
  });

const tmpfs = (t: TestContext) => mounted(t, folder => run('mount', '-t', 'tmpfs', 'test', folder));

const overlayOnTmpfs = (t: TestContext) => {
  const below = tmpfs(t);
  for (const name of ['lower', 'upper', 'work']) fs.mkdirSync(`${below}/${name}`);
  const layers = `lowerdir=${below}/lower,upperdir=${below}/upper,workdir=${below}/work`;
  return mounted(t, folder => run('mount', '-t', 'overlay', 'test', '-o', layers, folder));
};

/** A ghost that this process holds until the end of the test, made by FILL. */
function ghost(t: TestContext, folder: string, fill: (file: string, fd: number) => void): number {
  const file = `${folder}/ghost`;
  const fd = fs.openSync(file, 'w+');
  atEnd(t, () => fs.closeSync(fd));
  fill(file, fd);
  fs.unlinkSync(file);
  return fd;
}

function dump(t: TestContext, options: string[] = [], env: Record<string, string> = {}) {
  const images = `${temporaryFolder(t)}/images`;
  const { status, stdout, stderr } = ghostkeep(
    ['dump', '--pid', String(process.pid), '-D', images, '--json', ...options],
    { env: { ...process.env, ...env } as Record<string, string> },
  );
  const manifest = status === 0 ? (JSON.parse(stdout) as Manifest) : undefined;
  return { images, status, stderr, ghost: manifest?.ghosts[0] };
}

function alternate(fd: number, blocks: number): void {
  for (let n = 0; n < blocks; n += 2) fs.writeSync(fd, Buffer.alloc(block, 7), 0, block, n * block);
}

describe('engines', () => {
  it('when fiemap fails in the middle of a file, the seek engine goes on, no byte is lost, and show reports the change', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const library = `${temporaryFolder(t)}/fiemap-fails.so`;
    run('cc', '-shared', '-fPIC', '-o', library, source, '-ldl');
    const fd = ghost(t, ext4(t), (_, to) => alternate(to, 2600));
    for (const [at, offset] of [
      [1, 0],
      [2, 512 * 2 * block],
      [3, 1024 * 2 * block],
    ] as const) {
      const { images, ghost: dumped } = dump(t, [], { LD_PRELOAD: library, FIEMAP_FAILS_AT: String(at) });
      assert.deepEqual([dumped?.data?.engine, dumped?.data?.fallbacks], ['seek', 1]);
      const said = /seek: ext4's map .*; fiemap gave up at offset (\d+): Operation not supported/;
      const [, gaveUp] = said.exec(ghostkeep(['show', '-v', '-D', images]).stdout) ?? [];
      // A batch has 512 extents. The engine learns of a hole at the end of a batch together with the batch.
      assert.ok(Math.abs(Number(gaveUp) - offset) <= 2 * block, `${gaveUp} after call ${at}`);
      restored(t, images, fd);
    }
  });

  for (const [name, make, reason] of [
    ['ext4', ext4, /1 by fiemap: ext4's map is its fastest answer/],
    ['tmpfs', tmpfs, /1 by seek: tmpfs has no map/],
    ['overlayfs on tmpfs', overlayOnTmpfs, /1 by read: the file system below this overlay has no map/],
  ] as const)
    it(`when the ghost is on ${name}, show says why the engine was chosen`, t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const fd = ghost(t, make(t), (_, to) => alternate(to, 8));
      const { images } = dump(t);
      assert.match(ghostkeep(['show', '--verbose', '-D', images]).stdout, reason);
      restored(t, images, fd);
    });

  it("when the file system cannot report a file's many holes, the dump is refused, and the way out in its message works", t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    ghost(t, overlayOnTmpfs(t), (file, to) => {
      run('truncate', '-s', '100G', file);
      fs.writeSync(to, 'x', 99 * 2 ** 30);
    });
    const refused = dump(t);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /64 GiB of holes would be read .* `seek` .*GHOST_OVER_LIMIT/);
    const believed = dump(t, ['--engine', 'seek']);
    assert.equal(believed.status, 0, believed.stderr);
    assert.ok(Number(believed.ghost?.data?.bytes) <= 2 * 2 ** 20);
  });
});

function restored(t: TestContext, images: string, fd: number): void {
  const to = `${temporaryFolder(t)}/back`;
  const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to]);
  assert.equal(status, 0, stderr);
  run('cmp', `/proc/${process.pid}/fd/${fd}`, `${to}/ghost-1`);
}

describe('allocation', () => {
  it('when --preserve-allocation is given, restore allocates unwritten space again, past the end of the file too', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const folder = ext4(t);
    const fd = ghost(t, folder, (file, to) => {
      run('fallocate', '-l', '8M', file);
      run('fallocate', '-n', '-o', '8M', '-l', '2M', file);
      fs.writeSync(to, 'data', 3 * 2 ** 20);
      fs.fsyncSync(to);
    });
    const { images, ghost: dumped } = dump(t);
    assert.ok(Number(dumped?.data?.bytes) <= block, 'unwritten space is not written out');
    const before = fs.fstatSync(fd);
    for (const [option, blocks] of [
      [[], 16],
      [['--preserve-allocation'], before.blocks],
    ] as const) {
      const to = `${folder}/back${option.length}`;
      const { status, stdout, stderr } = ghostkeep(['restore', '-D', images, '--to', to, ...option]);
      assert.equal(status, 0, stderr);
      assert.ok(!stdout.includes('allocation'), stdout);
      const back = fs.statSync(`${to}/ghost-1`);
      assert.equal(back.size, before.size);
      assert.ok(Math.abs(back.blocks - blocks) <= 16, `${back.blocks} blocks, not ${blocks}`);
      run('cmp', `/proc/${process.pid}/fd/${fd}`, `${to}/ghost-1`);
    }
  });

  it('when materialize --preserve-allocation has run, every restore allocates the space again and keeps file capabilities', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const folder = ext4(t);
    const fd = ghost(t, folder, (file, to) => {
      run('fallocate', '-l', '8M', file);
      run('fallocate', '-n', '-o', '8M', '-l', '2M', file);
      fs.writeSync(to, 'data', 3 * 2 ** 20);
      fs.fsyncSync(to);
    });
    const { engine } = flows().host;
    engine.setXattr(
      fd,
      Buffer.from('security.capability'),
      Buffer.from('0000000200200000000000000000000000000000', 'hex'),
    );
    const { images } = dump(t);
    const plain = ghostkeep(['materialize', '-D', images]);
    assert.equal(plain.status, 0, plain.stderr);
    assert.match(plain.stdout, /1 ghost, whole, stands alone\n$/);
    for (const _ of ['once', 'again']) {
      const { status, stdout, stderr } = ghostkeep([
        'materialize',
        '-D',
        images,
        '--preserve-allocation',
        '--json',
      ]);
      assert.equal(status, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), {
        images: fs.realpathSync(images),
        ghosts: 1,
        preserveAllocation: true,
        allocationBytes: 10 * 2 ** 20 - fs.statfsSync(folder).bsize,
        allocationUnknown: [],
      });
    }
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    assert.match(ghostkeep(['show', '-D', images]).stdout, /allocated space comes back/);
    const { status, stdout, stderr } = ghostkeep([
      'restore',
      '-D',
      images,
      '--to',
      `${folder}/back`,
      '--allow-privileged',
    ]);
    assert.equal(status, 0, stderr);
    assert.ok(!stdout.includes('allocation'), stdout);
    const [before, back] = [fs.fstatSync(fd), fs.statSync(`${folder}/back/ghost-1`)];
    assert.deepEqual([back.size, back.mtimeMs], [before.size, before.mtimeMs]);
    assert.ok(Math.abs(back.blocks - before.blocks) <= 16, `${back.blocks} blocks, not ${before.blocks}`);
    run('cmp', `/proc/${process.pid}/fd/${fd}`, `${folder}/back/ghost-1`);
    const restored = fs.openSync(`${folder}/back/ghost-1`, 'r');
    atEnd(t, () => fs.closeSync(restored));
    assert.ok(engine.xattrs(restored)['security.capability'], 'fallocate drops them: they come after');

    fs.truncateSync(`${images}/ghost-file-1.img`, 100);
    const damaged = ghostkeep(['materialize', '-D', images, '--preserve-allocation']);
    assert.deepEqual([damaged.status, damaged.stdout], [1, '']);
    assert.match(damaged.stderr, /cannot materialize .*\[IMAGE_TRUNCATED\]/);
  });

  it('when there is less room than was allocated, restore allocates none of it and says why', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [folder, small] = [ext4(t), ext4(t)];
    ghost(t, folder, file => run('fallocate', '-n', '-o', '0', '-l', '8M', file));
    const { images } = dump(t);
    const { bavail, bsize } = fs.statfsSync(small);
    const rest = bavail * bsize - 4 * 2 ** 20;
    run('fallocate', '-l', String(rest), `${small}/filler`);
    const args = ['restore', '-D', images, '--to', `${small}/back`, '--preserve-allocation'];
    const { status, stdout, stderr } = ghostkeep(args);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /allocation \(ENOSPC: 8 MiB are needed, .* are free and 16 MiB are kept\)/);
    assert.ok(fs.statSync(`${small}/back/ghost-1`).blocks <= 16);
  });

  it("when an image asks for nearly all of the disk, restore allocates nothing; with --preserve-allocation it still keeps the host's reserve free", t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [folder, disk] = [ext4(t), ext4(t)];
    ghost(t, folder, file => run('fallocate', '-l', '4M', file));
    const { images } = dump(t);
    assert.equal(ghostkeep(['materialize', '-D', images, '--preserve-allocation']).status, 0);
    const free = () => fs.statfsSync(disk).bavail * fs.statfsSync(disk).bsize;
    const path = `${images}/ghostkeep-manifest.json`;
    const ask = (length: number) => {
      const manifest = JSON.parse(fs.readFileSync(path, 'utf8')) as Manifest;
      for (const { data, ...entry } of manifest.ghosts) {
        assert.ok(data);
        const allocation = [{ offset: 0, length }];
        manifest.ghosts = [{ ...entry, allocated: length, data: { ...data, allocation } }];
      }
      fs.writeFileSync(path, JSON.stringify(manifest));
    };
    const restore = (to: string, ...options: string[]) => {
      const { status, stdout, stderr } = ghostkeep(['restore', '-D', images, '--to', to, ...options]);
      assert.equal(status, 0, stderr);
      return { said: stdout, blocks: fs.statSync(`${to}/ghost-1`).blocks };
    };
    ask(free() - 20 * 2 ** 20);
    const alone = restore(`${disk}/alone`);
    assert.match(alone.said, /allocation \(ENOSPC: .* the image alone asks for it/);
    assert.ok(alone.blocks <= 16);
    ask(free() - 8 * 2 ** 20);
    const reserved = restore(`${disk}/reserved`, '--preserve-allocation');
    assert.match(reserved.said, /allocation \(ENOSPC: .* and 16 MiB are kept/);
    assert.ok(reserved.blocks <= 16);
    ask(free() - 20 * 2 ** 20);
    assert.ok(restore(`${disk}/asked`, '--preserve-allocation').blocks * 512 > 4 * 2 ** 20);
  });

  it('when the file system does not say which ranges of a ghost are allocated, restore says that it cannot allocate the space again', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const folder = tmpfs(t);
    ghost(t, folder, file => run('fallocate', '-l', '4M', file));
    const { images, ghost: dumped } = dump(t);
    assert.equal(dumped?.data?.allocation, undefined);
    const { stdout } = ghostkeep([
      'restore',
      '-D',
      images,
      '--to',
      `${folder}/back`,
      '--preserve-allocation',
    ]);
    assert.match(stdout, /allocation \(not known\)/);
  });
});

describe('blocks of zeroes', () => {
  it('when a dump is to detect zeroes, blocks of zeroes inside data become holes, and every byte comes back', t => {
    const folder = temporaryFolder(t);
    const fd = ghost(t, folder, (_, to) => {
      fs.writeSync(to, Buffer.alloc(2 ** 20));
      fs.writeSync(to, 'x', 600_000);
    });
    const plain = dump(t, ['--engine', 'seek']);
    const detected = dump(t, ['--engine', 'seek', '--detect-zeroes']);
    assert.equal(plain.ghost?.data?.bytes, 2 ** 20);
    assert.equal(detected.ghost?.data?.bytes, block);
    restored(t, detected.images, fd);
  });
});
