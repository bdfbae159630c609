import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import type { Manifest, ManifestGhost } from '../../src/base/documents/generated/manifest.js';
import type { Verification } from '../../src/base/documents/generated/verification.js';
import { showId } from '../../src/base/text/ghost-id.js';
import { showTime } from '../../src/base/units.js';
import { flows, ghostFile, ghostkeep, isRoot, needs, stoppedWorkload, temporaryFolder } from './ghostkeep.js';

const kinds = [
  'dense-4m',
  'hole-64m-4m',
  'hole-1g-8k',
  'alternate-8m',
  'small',
  'mapped',
  'deleted-exe',
  'shared',
  'tail-odd',
  'tail-hole',
];

function linkOf(ghost: ManifestGhost): string {
  const [holder] = ghost.holders;
  assert.ok(holder);
  const { pid, via, fd, address } = holder;
  return `/proc/${pid}/${via === 'fd' ? `fd/${fd}` : via === 'map' ? `map_files/${address}` : via}`;
}

function assertSameFile(ghost: ManifestGhost, restored: string): void {
  const is = fs.statSync(restored, { bigint: true });
  // Taken before any read, because reading moves atime.
  assert.equal(showTime(is.atimeNs), ghost.atime, `atime of ${ghost.path}`);
  assert.equal(showTime(is.mtimeNs), ghost.mtime, `mtime of ${ghost.path}`);
  const was = fs.statSync(linkOf(ghost), { bigint: true });
  assert.equal(was.mtimeNs, is.mtimeNs);
  assert.deepEqual([is.size, is.mode, is.uid, is.gid], [was.size, was.mode, was.uid, was.gid], ghost.path);
  assert.ok(is.blocks <= was.blocks + 64n, `${ghost.path} takes ${is.blocks} blocks, it was ${was.blocks}`);
  const compared = spawnSync('cmp', [linkOf(ghost), restored], { encoding: 'utf8' });
  assert.equal(compared.status, 0, compared.stdout + compared.stderr);
}

describe('dump, verify, restore', () => {
  it('when a workload of every kind is dumped, restore brings its files back with bytes, holes, times and modes', async t => {
    if (!needs(t, isRoot, 'map_files of another process needs root')) return;
    const folder = temporaryFolder(t);
    const images = `${folder}/images`;
    const { pid, holders } = await stoppedWorkload(t, folder, kinds);

    const dump = ghostkeep(['dump', '--pid', String(pid), '-D', images, '--digest', '--json']);
    assert.equal(dump.status, 0, dump.stderr);
    const manifest = JSON.parse(dump.stdout) as Manifest;
    const inodes = new Set(holders.map(({ ino }) => String(ino)));
    assert.deepEqual(new Set(manifest.ghosts.map(({ ino }) => String(ino))), inodes);
    assert.ok(manifest.ghosts.every(({ data }) => data?.digest));

    const verify = ghostkeep(['verify', '-D', images, '--json']);
    const { checked, damage } = JSON.parse(verify.stdout) as Verification;
    assert.deepEqual([verify.status, checked, damage], [0, 'digest', []]);

    const restore = ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]);
    assert.equal(restore.status, 0, restore.stderr);
    for (const ghost of manifest.ghosts) assertSameFile(ghost, `${folder}/back/ghost-${showId(ghost.id)}`);

    const again = ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]);
    assert.equal(again.status, 1, 'a file that is there is not overwritten');
    assert.match(again.stderr, /EEXIST|exists/);
    for (const ghost of manifest.ghosts) {
      const compared = spawnSync('cmp', [linkOf(ghost), `${folder}/back/ghost-${showId(ghost.id)}`], {
        encoding: 'utf8',
      });
      assert.equal(compared.status, 0, `it stays what it is: ${compared.stdout}${compared.stderr}`);
    }
  });

  it('when only one of the processes that share a ghost is dumped, the ghost is dumped', async t => {
    const folder = temporaryFolder(t);
    const { holders } = await stoppedWorkload(t, folder, ['shared']);
    const child = holders.find(({ role }) => role === 'child');
    assert.ok(child);
    const dump = ghostkeep(['dump', '--pid', String(child.pid), '-D', `${folder}/images`, '--json']);
    assert.equal(dump.status, 0, dump.stderr);
    assert.deepEqual(
      (JSON.parse(dump.stdout) as Manifest).ghosts.map(({ ino }) => ino),
      [child.ino],
    );
  });

  it('when a dump lies in the directory, another dump into it is refused and the first one stays whole', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'x', 'content');
    const images = `${folder}/images`;
    const args = ['dump', '--pid', String(process.pid), '-D', images];
    assert.equal(ghostkeep(args).status, 0);
    const { status, stderr } = ghostkeep(args);
    assert.equal(status, 1);
    assert.match(stderr, /there is a dump in it already.*\[BAD_INPUT\]/);
    assert.match(ghostkeep(['verify', '-D', images]).stdout, /1 ghost, no damage/);
    fs.rmSync(`${images}/ghostkeep-manifest.json`);
    fs.mkdirSync(`${images}/ghostkeep`);
    fs.writeFileSync(`${images}/ghostkeep/pending-2.img`, '');
    for (const command of ['show', 'seal'])
      assert.match(ghostkeep([command, '-D', images]).stderr, /was interrupted.*\[MANIFEST_MISSING\]/);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`), 'seal is the owner, and removes what is left');
  });

  it('when a file has extended attributes, one with a name that is not UTF-8, and a time before 1970, restore brings them back', t => {
    const folder = temporaryFolder(t);
    const fd = ghostFile(t, folder, 'x', 'content');
    const { engine } = flows().host;
    try {
      engine.setXattr(fd, Buffer.from('user.note'), Buffer.from([0, 255, 10]));
      engine.setXattr(fd, Buffer.from('user.\xff', 'latin1'), Buffer.from('no text'));
    } catch (error) {
      if (!needs(t, false, `no xattrs in ${folder}: ${String(error)}`)) return;
    }
    engine.setTimes(fd, '-2.123456789', '-1.000000001');
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const verify = ghostkeep(['verify', '-D', images]);
    assert.equal(verify.status, 0, verify.stdout);
    assert.equal(ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]).status, 0);
    const { atimeNs, mtimeNs } = fs.statSync(`${folder}/back/ghost-1`, { bigint: true });
    assert.deepEqual([atimeNs, mtimeNs], [-1_876_543_211n, -999_999_999n]);
    const back = fs.openSync(`${folder}/back/ghost-1`, 'r');
    t.after(() => fs.closeSync(back));
    assert.deepEqual(engine.xattrs(back)['user.note'], Buffer.from([0, 255, 10]));
    assert.deepEqual(engine.xattrs(back)['user.\udcff'], Buffer.from('no text'));
  });

  it('when a file is 8 EiB - 1 long, restore writes its last byte at the right offset', t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const last = 9223372036854775806n;
    const made = spawnSync('sh', [
      '-c',
      `truncate -s ${last + 1n} "$1/huge" && printf x | dd of="$1/huge" bs=1 seek=${last} conv=notrunc status=none`,
      'sh',
      folder,
    ]);
    if (!needs(t, made.status === 0, `no file of that size in ${folder}: ${made.stderr}`)) return;
    const fd = fs.openSync(`${folder}/huge`, 'r');
    t.after(() => fs.closeSync(fd));
    fs.unlinkSync(`${folder}/huge`);
    const images = `${folder}/images`;
    const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--json']);
    assert.equal(dump.status, 0, dump.stderr);
    const [ghost] = (JSON.parse(dump.stdout) as Manifest).ghosts;
    assert.equal(ghost?.size, '9223372036854775807');
    assert.deepEqual(ghostkeep(['verify', '-D', images]).status, 0);
    const restore = ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]);
    assert.equal(restore.status, 0, restore.stderr);
    const back = fs.openSync(`${folder}/back/ghost-1`, 'r');
    t.after(() => fs.closeSync(back));
    assert.equal(fs.fstatSync(back, { bigint: true }).size, last + 1n);
    const byte = Buffer.alloc(2);
    assert.equal(fs.readSync(back, byte, 0, 1, last), 1);
    assert.equal(byte.toString('latin1', 0, 1), 'x');
    assert.ok(fs.fstatSync(back).blocks <= 8);
  });
});

describe('names', () => {
  const names: [string, Buffer, string][] = [
    ['is 255 bytes long', Buffer.from('n'.repeat(255)), 'n'.repeat(255)],
    ['is not UTF-8', Buffer.from([0x61, 0xff, 0xfe]), 'a\\xff\\xfe'],
    ["ends in ' (deleted)'", Buffer.from('x (deleted)'), 'x (deleted)'],
    ['has a newline and a backslash', Buffer.from('a\nb\\c'), 'a\\x0ab\\x5cc'],
    ['has a carriage return', Buffer.from('a\rb'), 'a\\x0db'],
  ];
  for (const [what, name, shown] of names)
    it(`when a ghost's name ${what}, the manifest keeps the name byte for byte`, t => {
      const folder = temporaryFolder(t);
      ghostFile(t, folder, name, 'content');
      const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', `${folder}/images`, '--json']);
      assert.equal(dump.status, 0, dump.stderr);
      const [ghost] = (JSON.parse(dump.stdout) as Manifest).ghosts;
      assert.equal(ghost?.path, `${folder}/${shown}`);
      const bytes =
        ghost?.pathBytes === undefined
          ? Buffer.from(ghost?.path ?? '')
          : Buffer.from(ghost.pathBytes, 'base64');
      assert.deepEqual(bytes, Buffer.concat([Buffer.from(`${folder}/`), name]));
      assert.equal(ghostkeep(['verify', '-D', `${folder}/images`]).status, 0);
    });

  it("when a live file is called 'x (deleted)', it is not taken for a ghost", t => {
    const folder = temporaryFolder(t);
    const fd = fs.openSync(`${folder}/x (deleted)`, 'w');
    t.after(() => fs.closeSync(fd));
    const { stdout } = ghostkeep(['scan', '--pid', String(process.pid), '--json']);
    assert.deepEqual(JSON.parse(stdout), { ghosts: [], unseen: [], processes: [], containers: [] });
  });
});
