/**
 * No command takes more than 512 MiB of memory where every document of an image directory has its bound at
 * once. One document after another is in sizes.test.ts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bounds, mostJsonValues } from '../../src/base/bounds.js';
import { countValues } from '../../src/base/documents/count-values.js';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { ImageWriter, joinImage, magic } from '../../src/criu/frame.js';
import { journalName, manifestName, pendingName } from '../../src/image/layout.js';
import { property, regFile, remap } from '../unit/criu/images.js';
import { message } from '../unit/criu/wire.js';
import { Gate } from './gate.js';
import { command, ghostFile, ghostkeep, needs, program, temporaryFolder } from './ghostkeep.js';

const mostKiB = 512 * 1024;
const ghosts = 12_000;
const holdersEach = 13;
/** The most that are read: folders that were removed, and files of CRIU's own ghosts. */
const [folders, others] = [100_000, 88_000];
const openFiles = 600_000;

const nodeJs: readonly [string, ...string[]] = [process.execPath, program];
const programs = { 'the executable': command, 'Node.js': nodeJs };

let unsealed: string | undefined;
after(() => unsealed && fs.rmSync(path.dirname(unsealed), { recursive: true }));

/** An unsealed dump by CRIU. It lies in memory, because a seal syncs each of its files. */
function copyOfUnsealed(t: TestContext): string {
  unsealed ??= makeUnsealed(t);
  const images = `${temporaryFolder(t, memory)}/images`;
  fs.cpSync(unsealed, images, { recursive: true });
  return images;
}

const memory = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function makeUnsealed(t: TestContext): string {
  const top = fs.mkdtempSync(`${memory}/gk-`);
  ghostFile(t, top, 'x', 'a ghost');
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', `${top}/one`]);
  assert.equal(dump.status, 0, dump.stderr);
  const one = JSON.parse(fs.readFileSync(`${top}/one/${manifestName}`, 'utf8')) as Manifest;
  const images = `${top}/images`;
  fs.mkdirSync(path.dirname(`${images}/${journalName}`), { recursive: true });
  fs.writeFileSync(`${images}/${journalName}`, journalOf(one));
  const image = fs.readFileSync(`${top}/one/${one.ghosts[0]?.image}`);
  for (let id = 1; id <= ghosts; id += 1) fs.writeFileSync(`${images}/${pendingName(id)}`, image);
  // The only ghost that CRIU dumped itself: each of its remaps leads to it.
  fs.writeFileSync(`${images}/ghost-file-1.img`, image);
  fs.writeFileSync(`${images}/inventory.img`, Buffer.alloc(bounds.inventory.bytes, 7));
  fs.writeFileSync(`${images}/files.img`, filesImage());
  const remaps = Array.from({ length: folders + others }, (_, index) => remap(ghosts + 1 + index, 1, 1));
  fs.writeFileSync(`${images}/remap-fpath.img`, joinImage(magic.REMAP_FPATH, remaps));
  const frozen = property('cgroup.freeze', '1');
  const count = Math.floor((bounds.cgroup.bytes - 100) / frozen.length);
  const cgroup = message(2, message(2, Buffer.alloc(count * frozen.length, frozen)));
  fs.writeFileSync(`${images}/cgroup.img`, joinImage(magic.CGROUP, [cgroup]));
  return images;
}

const keyOf = (id: number) => `file[1:${id.toString(16)}]`;

/** A journal with as many bytes and values as the dump may write. Its text is not Latin-1, so it is UTF-16. */
function journalOf(one: Manifest): string {
  const [ghost] = one.ghosts as [Manifest['ghosts'][number]];
  const text = (holders: number, name: string) => {
    const journal: Manifest = {
      ...one,
      criu: true,
      state: 'dumped',
      thaw: true,
      earlierInventory: {
        content: Buffer.alloc(bounds.inventory.bytes).toString('base64'),
        mtime: '1.000000000',
      },
      ghosts: Array.from({ length: ghosts }, (_, index) => ({
        ...ghost,
        id: index + 1,
        image: pendingName(index + 1),
        path: `/€${index}${name}`,
        key: [keyOf(index + 1)],
        holders: Array.from({ length: holders }, () => ghost.holders[0] as (typeof ghost.holders)[0]),
        paths: [{ key: keyOf(index + 1), mount: 1, path: `/€${index}${name}` }],
      })),
    };
    return `${JSON.stringify(journal, null, 1)}\n`;
  };
  const room = bounds.manifest.bytes - 2 * bounds.inventory.bytes;
  const small = text(holdersEach, '');
  const longest = text(
    holdersEach,
    'n'.repeat(Math.floor((room - Buffer.byteLength(small)) / ghosts / 2) - 1),
  );
  const [bytes, values] = [Buffer.byteLength(longest), countValues(longest)];
  assert.ok(bytes > 0.95 * room && values > 0.8 * mostJsonValues, `${bytes} bytes, ${values} values`);
  return longest;
}

function filesImage(): Buffer {
  const files = new ImageWriter(magic.FILES, 'files.img', bounds.files.bytes, bounds.files.bytes);
  const length = Math.floor((bounds.files.bytes - 600 * ghosts) / openFiles) - 46;
  for (let id = 1; id <= openFiles; id += 1) {
    const isFolder = id > ghosts && id <= ghosts + folders;
    const name = id <= ghosts ? keyOf(id) : `/${id}`.padEnd(length, 'n');
    files.append(regFile({ id, name, mount: 1, ext: id <= ghosts, mode: isFolder ? 0o40755 : 0o100600 }));
  }
  return files.finish();
}

/** The most memory that a process has had so far; 0 when it has ended. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function assertSmall(by: readonly [string, ...string[]], args: readonly string[]): Promise<void> {
  const [file, ...words] = by;
  const child = spawn(file, [...words, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  let peak = 0;
  let status: number | null | undefined;
  child.on('exit', code => {
    status = code;
  });
  while (status === undefined) {
    peak = Math.max(peak, peakOf(child.pid as number));
    await sleep(2);
  }
  assert.equal(status, 0, args.join(' '));
  assert.ok(peak > 0 && peak < mostKiB, `${args.join(' ')} took ${peak} KiB`);
}

for (const [who, by] of Object.entries(programs))
  describe(`all documents at their bounds at once, with ${who}`, () => {
    it(`with all documents at their bounds, each of seal, verify, show, materialize and restore takes less than 512 MiB in ${who}`, async t => {
      if (!needs(t, who === 'Node.js' || by[0] !== process.execPath, 'there is no executable')) return;
      const images = copyOfUnsealed(t);
      const back = `${path.dirname(images)}/back`;
      for (const words of [
        ['seal'],
        ['verify'],
        ['show', '--json'],
        ['show', '--extents'],
        ['materialize', '--preserve-allocation'],
        ['restore', '--to', back],
      ])
        await assertSmall(by, [...words, '-D', images]);
      assert.equal(fs.readdirSync(back).length, ghosts + 1);
    });

    it(`with all documents at their bounds, the check before a restore, which seals first, takes less than 512 MiB in ${who}`, async t => {
      if (!needs(t, who === 'Node.js' || by[0] !== process.execPath, 'there is no executable')) return;
      const gate = new Gate(t, 'restore', copyOfUnsealed(t), by);
      assert.match((await gate.answer()).join(), /^ready/);
      assert.deepEqual(await gate.ask('restore'), ['done']);
      const peak = peakOf(gate.pid);
      assert.ok(peak > 0 && peak < mostKiB, `it took ${peak} KiB`);
    });
  });
