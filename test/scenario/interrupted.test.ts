/** Commands that are interrupted, and ghosts that cannot be restored beside others that can. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { showId } from '../../src/base/text/ghost-id.js';
import {
  command,
  filesIn,
  flows,
  ghostFile,
  ghostkeep,
  isRoot,
  needs,
  program,
  temporaryFolder,
} from './ghostkeep.js';

const me = String(process.pid);

/** A dump of files with these contents, ghost 1 the first. */
function dumped(t: TestContext, ...contents: Buffer[]) {
  const folder = temporaryFolder(t);
  for (const [index, content] of contents.entries()) ghostFile(t, folder, `x${index}`, content);
  const images = `${folder}/images`;
  const dump = ghostkeep(['dump', '--pid', me, '-D', images]);
  assert.equal(dump.status, 0, dump.stderr);
  return { folder, images, to: `${folder}/back` };
}

const partial = /^\.ghostkeep-partial-1-[0-9]+-[0-9]+$/;

describe('what an interrupted restore leaves', () => {
  const content = randomBytes(4 << 20);

  const source = (name: string) => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);

  /** Kills the restore with SIGKILL when half of a file is written. */
  function interrupted(t: TestContext) {
    const place = dumped(t, content);
    const script = `
      import fs from 'node:fs';
      import { restoreGhosts } from ${source('flows/restore/restore.ts')};
      import { linuxHost } from ${source('host/linux.ts')};
      import { silent } from ${source('base/log.ts')};
      const host = linuxHost();
      host.engine.restore = (_, fd) => {
        fs.writeSync(fd, 'half');
        process.kill(process.pid, 'SIGKILL');
        return new Promise(() => {});
      };
      await restoreGhosts({ host, log: silent, tool: 'test' }, ${JSON.stringify(place)});
    `;
    const tsx = import.meta.resolve('tsx');
    const args = ['--import', tsx, '--input-type=module', '--eval', script];
    const { status, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual([status, signal], [null, 'SIGKILL']);
    return place;
  }

  it('when a restore is killed while it writes, no file has a ghost’s name; the next restore removes the partial file and says so', t => {
    const { images, to } = interrupted(t);
    const [left = '', ...others] = fs.readdirSync(to);
    assert.match(left, partial);
    assert.deepEqual(others, []);
    const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to]);
    assert.equal(status, 0, stderr);
    assert.ok(stderr.includes(`removed ${to}/${left}, which an interrupted restore had left`), stderr);
    assert.deepEqual(fs.readdirSync(to), ['ghost-1']);
    assert.ok(fs.readFileSync(`${to}/ghost-1`).equals(content));
  });

  it('when another restore still writes the partial file, that file stays', t => {
    const { images, to } = interrupted(t);
    const [left = ''] = fs.readdirSync(to);
    const { files } = flows().host;
    const fd = files.open(`${to}/${left}`);
    t.after(() => files.close(fd));
    assert.equal(files.tryLock(fd), true);
    assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
    assert.deepEqual(fs.readdirSync(to).sort(), [left, 'ghost-1'].sort());
  });

  it('when a file only looks like a partial file, it stays', t => {
    const { images, to, folder } = dumped(t, content);
    fs.mkdirSync(to, { mode: 0o700 });
    fs.writeFileSync(`${folder}/precious`, 'precious');
    fs.mkdirSync(`${to}/.ghostkeep-partial-1-1-1`);
    fs.symlinkSync('../precious', `${to}/.ghostkeep-partial-1-1-2`);
    fs.linkSync(`${folder}/precious`, `${to}/.ghostkeep-partial-1-1-3`);
    for (const name of [
      '.ghostkeep-partial-0-1-1',
      '.ghostkeep-partial-1-1-1.txt',
      'x.ghostkeep-partial-1-1-1',
    ])
      fs.writeFileSync(`${to}/${name}`, 'mine');
    const before = fs.readdirSync(to);
    const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(fs.readdirSync(to).sort(), [...before, 'ghost-1'].sort());
    assert.equal(fs.readFileSync(`${folder}/precious`, 'utf8'), 'precious');
  });
});

describe('restore when some ghosts cannot be restored', () => {
  const contents = ['one', 'two', 'three'].map(text => Buffer.from(text));

  for (const [options, left] of [
    [['--keep-going'], ['ghost-1', 'ghost-3']],
    [[], ['ghost-1']],
  ] as const)
    it(`when one ghost is damaged, with ${options[0] ?? 'no option'}, ${left.join(' and ')} come back and are listed`, t => {
      const { images, to } = dumped(t, ...contents);
      fs.truncateSync(`${images}/ghost-file-2.img`, 20);
      const { status, stdout, stderr } = ghostkeep(['restore', '-D', images, '--to', to, ...options]);
      assert.equal(status, 1);
      assert.match(stderr, /^ghostkeep: cannot restore ghost 2 .*\[IMAGE_TRUNCATED\]\n$/);
      assert.deepEqual(fs.readdirSync(to).sort(), left);
      for (const name of left) assert.ok(stdout.includes(`${to}/${name} `), stdout);
      assert.ok(!stdout.includes('ghost-2'));
    });

  it('when one ghost does not fit on the disk, the others come back, and no part of it is left', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const { images, folder } = dumped(t, Buffer.from('small'), randomBytes(4 << 20), Buffer.from('last'));
    const disk = `${folder}/disk`;
    fs.mkdirSync(disk);
    const mount = ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'gk-test', disk];
    assert.equal(spawnSync('mount', mount).status, 0);
    try {
      const { status, stdout, stderr } = ghostkeep(['restore', '-D', images, '--to', disk, '--keep-going']);
      assert.equal(status, 1);
      assert.match(stderr, /cannot restore ghost 2 .*\[NO_SPACE\]/);
      assert.deepEqual(fs.readdirSync(disk).sort(), ['ghost-1', 'ghost-3']);
      assert.match(stdout, /ghost-3/);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  it('when a file has the name that a ghost would get, that file stays, and the other ghosts come back', t => {
    const { images, to } = dumped(t, ...contents);
    fs.mkdirSync(to, { mode: 0o700 });
    fs.symlinkSync('nowhere', `${to}/ghost-1`);
    fs.writeFileSync(`${to}/ghost-3`, 'mine');
    const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to, '--keep-going']);
    assert.equal(status, 1);
    for (const id of [1, 3]) assert.match(stderr, new RegExp(`ghost ${id} .*EEXIST.*\\[IO\\]`));
    assert.deepEqual(fs.readdirSync(to).sort(), ['ghost-1', 'ghost-2', 'ghost-3']);
    assert.equal(fs.readlinkSync(`${to}/ghost-1`), 'nowhere');
    assert.equal(fs.readFileSync(`${to}/ghost-3`, 'utf8'), 'mine');
  });

  it('when a ghost is immutable, it gets its name before it gets that flag', t => {
    if (!needs(t, isRoot, 'inode flags are set by root')) return;
    const { folder, images, to } = dumped(t);
    const fd = ghostFile(t, folder, 'immutable', 'for ever');
    const { engine } = flows().host;
    const immutable = 0x10;
    try {
      engine.setFlags(fd, immutable);
    } catch (error) {
      if (!needs(t, false, `no inode flags in ${folder}: ${String(error)}`)) return;
    }
    fs.rmSync(images, { recursive: true });
    assert.equal(ghostkeep(['dump', '--pid', me, '-D', images]).status, 0);
    const { status, stdout, stderr } = ghostkeep(['restore', '-D', images, '--to', to]);
    assert.equal(status, 0, stderr);
    const back = fs.openSync(`${to}/ghost-1`, 'r');
    try {
      assert.equal(engine.flags(back), immutable, stdout);
    } finally {
      engine.setFlags(back, 0);
      engine.setFlags(fd, 0);
      fs.closeSync(back);
    }
  });

  it('when more ghosts are restored than are synced together, all come back in their order', t => {
    const many = Array.from({ length: 40 }, (_, index) => Buffer.from(`ghost ${index}`));
    const { images, to } = dumped(t, ...many);
    const { status, stdout } = ghostkeep(['restore', '-D', images, '--to', to]);
    assert.equal(status, 0);
    const ids = [...stdout.matchAll(/ghost-((?:0x)?[0-9a-f]+) /g)].map(([, id]) => Number(id));
    assert.deepEqual(
      ids,
      many.map((_, index) => index + 1),
    );
  });
});

describe('a dump that a signal interrupts', () => {
  /** The dump reads a terabyte of holes, so it cannot finish before the signal comes. */
  async function underWay(
    t: TestContext,
  ): Promise<{ images: string; child: ChildProcess; said: () => string }> {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'small', 'copied before');
    fs.ftruncateSync(ghostFile(t, folder, 'endless', 'x'), 2 ** 40);
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    fs.writeFileSync(`${images}/not-ours`, 'stays');
    const [file, ...words] = command;
    const args = [...words, 'dump', '--pid', me, '-D', images, '--engine', 'read'];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    while (!fs.existsSync(`${images}/ghostkeep/pending-2.img`)) {
      assert.equal(child.exitCode, null, text);
      await sleep(5);
    }
    return { images, child, said: () => text };
  }

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    it(`when ${signal} ends the dump, it removes its copies, says so, and ends with status ${status}`, async t => {
      const { images, child, said } = await underWay(t);
      child.kill(signal);
      await once(child, 'close');
      assert.equal(child.exitCode, status, said());
      assert.match(said(), new RegExp(`^ghostkeep: ${signal}: nothing is dumped, .* is removed\n$`));
      assert.deepEqual(filesIn(images), ['not-ours']);
      assert.deepEqual(fs.readdirSync(images), ['not-ours']);
    });
});

describe('a restore that a signal interrupts', () => {
  /** The disk accepts 16 files, which is one batch, and then no more. */
  async function waiting(t: TestContext, count: number) {
    const contents = Array.from({ length: count }, (_, index) => Buffer.from(`ghost ${index}`));
    const { folder, images, to } = dumped(t, ...contents);
    const disk = `${folder}/disk.cjs`;
    fs.writeFileSync(
      disk,
      `const fs = require('node:fs');
       const { fsync } = fs;
       let left = 16;
       fs.fsync = (fd, done) => {
         if (left-- > 0) return fsync(fd, done);
         fs.writeFileSync(${JSON.stringify(`${folder}/waits`)}, '');
         setInterval(() => {}, 1000);
       };`,
    );
    const args = ['--require', disk, program, 'restore', '-D', images, '--to', to];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
    while (!fs.existsSync(`${folder}/waits`)) {
      assert.equal(child.exitCode, null, said);
      await sleep(5);
    }
    return { images, to, child, said: () => said };
  }

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    it(`when ${signal} ends the restore, only whole files stay, it names them, and it ends with status ${status}`, async t => {
      const { images, to, child, said } = await waiting(t, 18);
      child.kill(signal);
      await once(child, 'close');
      assert.equal(child.exitCode, status, said());
      assert.match(
        said(),
        new RegExp(
          `^ghostkeep: ${signal}: what was not finished is removed; 16 ghosts are whole and stay in ${to}\n$`,
        ),
      );
      const whole = Array.from({ length: 16 }, (_, index) => `ghost-${showId(index + 1)}`);
      assert.deepEqual(fs.readdirSync(to).sort(), whole.sort());
      for (const [index, name] of ['ghost-1', 'ghost-2'].entries())
        assert.equal(fs.readFileSync(`${to}/${name}`, 'utf8'), `ghost ${index}`);
      // Runs the commands with which the README goes on.
      const rest = ghostkeep(['restore', '-D', images, '--to', to, '--ghost', '0x11', '--ghost', '0x12']);
      assert.deepEqual([rest.status, rest.stderr], [0, '']);
    });
});
