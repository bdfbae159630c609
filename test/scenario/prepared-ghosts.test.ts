/**
 * Entries of many small ghosts are prepared before the freeze. A process may change anything after that.
 * The sealed dump is then the same as that of a dump which has prepared nothing.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import type { ManifestGhost } from '../../src/base/documents/generated/manifest.js';
import { encodeExternalFiles } from '../../src/criu/seal-plan.js';
import type { Context } from '../../src/flows/context.js';
import { dumpGhosts } from '../../src/flows/dump/dump.js';
import { keysOfJournal } from '../../src/flows/dump/journal.js';
import { WarmImages } from '../../src/flows/dump/warm-images.js';
import { warmUp } from '../../src/flows/gate/warm-pass.js';
import { sealImages } from '../../src/flows/seal/seal.js';
import { linkOpen } from '../../src/host/native/libc.js';
import { hasText } from '../../src/image/encode.js';
import { resolvePolicy } from '../../src/oci/policy.js';
import { flows, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const count = 40;
const bytes = 5000;
/** O_TMPFILE. Source: asm-generic/fcntl.h, which x86 and arm share but for O_DIRECTORY. */
const withoutName = 0o20000000 | fs.constants.O_DIRECTORY;

/**
 * Holds COUNT ghosts. It reads lines of JavaScript and answers each: `open(name)` and `close(index)` change
 * what it holds.
 */
const holderCode = `
const fs = require('node:fs');
const folder = process.argv[1];
const make = name => {
  const fd = fs.openSync(folder + '/' + name, 'wx+');
  fs.writeSync(fd, Buffer.alloc(${bytes}, name), 0, ${bytes}, 0);
  fs.fsyncSync(fd);
  fs.unlinkSync(folder + '/' + name);
  return fd;
};
const fds = Array.from({ length: ${count - 1} }, (_, n) => make('ghost-' + n));
fds.push(fs.openSync(folder, fs.constants.O_RDWR | ${withoutName}, 0o600));
fs.writeSync(fds.at(-1), Buffer.alloc(${bytes}, 'linkable'));
fs.fsyncSync(fds.at(-1));
console.log(JSON.stringify(fds));
require('node:readline').createInterface(process.stdin).on('line', line => {
  console.log(JSON.stringify(eval(line) ?? null));
});
`;

/** Until the disk has a file, the space that it has allocated may change at any time. */
const toDisk = 'for (const fd of fds) try { fs.fsyncSync(fd) } catch {}; null';

interface Holder {
  pid: number;
  folder: string;
  fds: number[];
  /** Runs CODE in the holder. */
  run(code: string): Promise<unknown>;
  /** Opens a descriptor of the holder. */
  open(index: number): number;
}

async function hold(t: TestContext): Promise<Holder> {
  const folder = temporaryFolder(t);
  const child: ChildProcess = spawn(process.execPath, ['-e', holderCode, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = readline.createInterface(child.stdout as NonNullable<typeof child.stdout>);
  const answer = async () => JSON.parse(((await once(lines, 'line')) as [string])[0]) as unknown;
  const fds = (await answer()) as number[];
  const pid = child.pid as number;
  return {
    pid,
    folder,
    fds,
    run: async code => {
      const answered = answer();
      child.stdin?.write(`${code}\n`);
      return answered;
    },
    open: index => {
      const fd = fs.openSync(`/proc/${pid}/fd/${fds[index]}`, 'r+');
      t.after(() => fs.closeSync(fd));
      return fd;
    },
  };
}

const policy = resolvePolicy();

/** Seals as if CRIU had written down the files that were left to us. @returns the ghosts, each with its image */
async function dump(
  context: Context,
  images: string,
  pid: number,
  more: Partial<Parameters<typeof dumpGhosts>[1]> = {},
) {
  const request = { images, pids: context.host.processes.tree(pid), policy, criu: true, ...more };
  const { journal } = await dumpGhosts(context, request);
  const prepared = journal.ghosts.filter(hasText).length;
  fs.writeFileSync(path.join(images, 'files.img'), encodeExternalFiles(keysOfJournal(journal)));
  fs.writeFileSync(path.join(images, 'inventory.img'), 'written');
  const onDisk = JSON.parse(fs.readFileSync(path.join(images, 'ghostkeep/journal.json'), 'utf8'));
  assert.deepEqual(onDisk.ghosts, JSON.parse(JSON.stringify(journal.ghosts)));
  sealImages(context, images, { durable: false, journal });
  const { ghosts } = JSON.parse(fs.readFileSync(path.join(images, 'ghostkeep-manifest.json'), 'utf8')) as {
    ghosts: ManifestGhost[];
  };
  const files = fs.readFileSync(path.join(images, 'files.img'));
  const remaps = fs.readFileSync(path.join(images, 'remap-fpath.img'));
  const kept = ghosts.map(({ data, ...entry }) => ({
    ...entry,
    dataBytes: data?.bytes,
    content: fs.readFileSync(path.join(images, entry.image)).toString('latin1'),
  }));
  return { prepared, kept, files, remaps };
}

type Change = (holder: Holder, context: Context) => unknown;

/**
 * Prepares, lets CHANGE happen, and dumps. All is searched anew if another program has mounted something
 * meanwhile, so this is then tried again.
 * @returns how many entries were used as they were prepared
 */
async function changed(t: TestContext, change: Change): Promise<number> {
  for (;;) {
    const before = fs.readFileSync('/proc/self/mountinfo', 'utf8');
    const used = await changedOnce(t, change);
    if (fs.readFileSync('/proc/self/mountinfo', 'utf8') === before) return used;
  }
}

async function changedOnce(t: TestContext, change: Change): Promise<number> {
  const holder = await hold(t);
  const context = flows();
  const [images, others] = [temporaryFolder(t), temporaryFolder(t)];
  const warm = new WarmImages(context.host.files, images, context.log);
  const request = { images, pids: context.host.processes.tree(holder.pid), policy, criu: true, warm };
  await warmUp(context, request);
  assert.equal(warm.prepared?.count, count);
  await change(holder, context);
  await holder.run(toDisk);
  const ours = await dump(context, images, holder.pid, { warm });
  const expected = await dump(context, others, holder.pid);
  assert.deepEqual(ours.kept, expected.kept);
  assert.ok(ours.files.equals(expected.files));
  assert.ok(ours.remaps.equals(expected.remaps));
  return ours.prepared;
}

describe('ghosts that were prepared before the freeze', () => {
  it('when nothing changes, every entry is used as it was prepared', async t => {
    assert.equal(await changed(t, () => {}), count);
  });

  it('when some bytes of a ghost change, its image has them', async t => {
    const write = ({ open }: Holder) => fs.writeSync(open(7), 'other bytes', 100);
    assert.equal(await changed(t, write), count - 1);
  });

  it('when bytes change and the times are set back, the image has the bytes all the same', async t => {
    const holder = async ({ open }: Holder) => {
      const fd = open(7);
      const { atime, mtime } = fs.fstatSync(fd);
      fs.writeSync(fd, 'other bytes', 100);
      fs.futimesSync(fd, atime, mtime);
    };
    assert.equal(await changed(t, holder), count - 1);
  });

  it('when a ghost grows, shrinks or gets another mode, the dump keeps it as it is', async t => {
    const change = ({ open }: Holder) => {
      fs.ftruncateSync(open(1), bytes + 3000);
      fs.ftruncateSync(open(2), 10);
    };
    assert.equal(await changed(t, change), count - 2);
    const mode = ({ open }: Holder) => fs.fchmodSync(open(3), 0o4711);
    assert.equal(await changed(t, mode), 0);
  });

  it('when a ghost gets another owner, the dump keeps it as it is', async t => {
    if (!needs(t, isRoot, 'root')) return;
    const chown = ({ open }: Holder) => fs.fchownSync(open(3), 12, 13);
    assert.equal(await changed(t, chown), 0);
  });

  it('when a ghost gets an extended attribute, the dump has it', async t => {
    const set = ({ open }: Holder, { host }: Context) =>
      host.engine.setXattr(open(3), Buffer.from('user.late'), Buffer.from('value'));
    assert.equal(await changed(t, set), count - 1);
  });

  it('when a ghost gets a flag, the dump has it', async t => {
    if (!needs(t, isRoot, 'root')) return;
    const noDump = 0x40; // FS_NODUMP_FL. Source: linux/fs.h
    const set = ({ open }: Holder, { host }: Context) => host.engine.setFlags(open(3), noDump);
    assert.equal(await changed(t, set), count - 1);
  });

  it('when the holder moves the offset of a descriptor, the entry has the new one', async t => {
    const read = ({ run }: Holder) => run('fs.readSync(fds[4], Buffer.alloc(5))');
    assert.equal(await changed(t, read), count - 1);
  });

  it('when a ghost gets a name, it is no ghost any more', async t => {
    if (!needs(t, isRoot, 'root')) return;
    const link = ({ open, folder }: Holder) => linkOpen(open(count - 1), Buffer.from(`${folder}/a-name\0`));
    assert.equal(await changed(t, link), 0);
  });

  it('when a ghost is closed, or a new one is opened, the dump has those that are held', async t => {
    assert.equal(await changed(t, ({ run }) => run('fs.closeSync(fds[5])')), 0);
    assert.equal(await changed(t, ({ run }) => run('make("late")')), 0);
  });

  it('when another ghost has the number of a descriptor, the dump has that ghost', async t => {
    const replace = ({ run }: Holder) => run('fs.closeSync(fds[5]), make("in-its-place")');
    assert.equal(await changed(t, replace), 0);
  });

  it('when the descriptor of a ghost leads to a file with a name, the dump has no such ghost', async t => {
    const replace = ({ run }: Holder) => run('fs.closeSync(fds[5]), fs.openSync(folder + "/named", "wx+")');
    assert.equal(await changed(t, replace), 0);
  });

  it('when somebody takes the name of a ghost, the dump gives it another one', async t => {
    const holder = await hold(t);
    const context = flows();
    const images = temporaryFolder(t);
    const warm = new WarmImages(context.host.files, images, context.log);
    const request = { images, pids: context.host.processes.tree(holder.pid), policy, criu: true, warm };
    await warmUp(context, request);
    fs.writeFileSync(`${holder.folder}/ghost-3`, 'somebody else');
    const { kept } = await dump(context, images, holder.pid, { warm });
    const names = kept.flatMap(({ paths }) => paths.map(({ path }) => path));
    assert.equal(names.length, count);
    assert.ok(!names.includes(`${holder.folder}/ghost-3`));
  });

  it('when the holder opens and closes other files and sockets, the entries are used, or made anew', async t => {
    const open = ({ run }: Holder) => run('fs.openSync(folder + "/log", "a"), null');
    assert.equal(await changed(t, open), 0);
    const listen = ({ run }: Holder) => run('require("node:net").createServer().listen(0), null');
    assert.ok([0, count].includes(await changed(t, listen)));
  });
});
