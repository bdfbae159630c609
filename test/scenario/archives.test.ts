/** `show` and `verify` on a checkpoint inside an archive, as podman and kubelet write them. Nothing is unpacked. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import type { Verification } from '../../src/base/documents/generated/verification.js';
import { endOfCriu, Gate } from './gate.js';
import { command, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const sparse = Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(900_000), Buffer.from('the end')]);

/** A folder as engines pack it: `checkpoint/` with the images, files of the engine beside it. */
async function exported(t: TestContext) {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'small', 'x');
  ghostFile(t, folder, 'sparse', sparse);
  const images = `${folder}/tree/checkpoint`;
  fs.mkdirSync(images, { recursive: true });
  fs.writeFileSync(`${folder}/tree/config.dump`, '{}');
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  const keys = (await gate.ask(`checkpoint ${process.pid}`)).filter(line => line.startsWith('external '));
  assert.equal(keys.length, 2);
  endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  assert.deepEqual(await gate.ask('finish 0'), ['done']);
  await gate.end();
  const pack = (how: string, name: string) => {
    execFileSync('tar', ['-C', `${folder}/tree`, how, '-cf', `${folder}/${name}`, '.']);
    return `${folder}/${name}`;
  };
  return { folder, images, pack };
}

const manifestOf = (where: string) => {
  const { status, stdout, stderr } = ghostkeep(['show', where, '--json', '--extents']);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Manifest;
};

const verified = (where: string) => {
  const { status, stdout } = ghostkeep(['verify', where, '--json']);
  return { status, ...(JSON.parse(stdout) as Verification) };
};

describe('a checkpoint inside an archive', () => {
  it('a checkpoint in an archive (zstd, gzip, none) is shown and verified as its directory is', async t => {
    const { folder, images, pack } = await exported(t);
    const [of, check] = [manifestOf(images), verified(images)];
    assert.deepEqual(check.damage, []);
    for (const [how, name] of [
      ['--zstd', 'a.tar.zst'],
      ['--gzip', 'a.tar.gz'],
      ['--no-auto-compress', 'a.tar'],
    ] as const) {
      const archive = pack(how, name);
      const before = fs.readdirSync(folder).sort();
      assert.deepEqual(manifestOf(archive), of, name);
      const { status, damage, checked } = verified(archive);
      assert.deepEqual([status, damage, checked], [0, [], check.checked], name);
      assert.deepEqual(fs.readdirSync(folder).sort(), before);
    }
  });

  it('when the commands of docs/look-into-a-checkpoint.md are typed, each does what the page says', async t => {
    const page = fs.readFileSync(new URL('../../docs/look-into-a-checkpoint.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/run by test\/scenario\/archives[^\n]*\n```sh\n(.*?)```/gs)];
    const { folder, images, pack } = await exported(t);
    pack('--zstd', 'checkpoint.tar.zst');
    fs.renameSync(images, `${folder}/images`);
    const type = (block = '') =>
      execFileSync('sh', ['-euc', `ghostkeep() { '${command.join("' '")}' "$@"; }\n${block}`], {
        encoding: 'utf8',
        cwd: folder,
      });
    const [archive, html, repair, ...others] = blocks.map(([, block]) => block);
    assert.deepEqual(others, []);
    assert.match(type(archive), /\/sparse\n.*checkpoint\.tar\.zst:checkpoint: 2 ghosts, no damage found/s);
    assert.match(type(html), /ghosts\.html is written/);
    assert.match(fs.readFileSync(`${folder}/ghosts.html`, 'utf8'), /\/sparse/);
    fs.rmSync(`${folder}/images/ghostkeep-manifest.json`);
    type(repair);
    assert.deepEqual(verified(`${folder}/images`).damage, []);
  });

  it('a checkpoint in an archive is shown and verified, too, when CRIU has made it without ghostkeep', async t => {
    const { images, pack } = await exported(t);
    fs.rmSync(`${images}/ghostkeep-manifest.json`);
    const archive = pack('--gzip', 'a.tar.gz');
    const shown = ghostkeep(['show', archive]);
    assert.match(shown.stdout, /checkpoint by CRIU alone/);
    assert.match(shown.stdout, /\/sparse\n/);
    assert.match(ghostkeep(['verify', archive]).stdout, /structure only: CRIU records no checksums/);
  });

  it('when an image in an archive is cut short, verify names the image; when the archive itself is, verify refuses it', async t => {
    const { folder, images, pack } = await exported(t);
    const image = fs
      .readdirSync(images)
      .filter(name => name.startsWith('ghost-file-'))
      .find(name => fs.statSync(`${images}/${name}`).size > 60_000);
    fs.truncateSync(`${images}/${image}`, 40_000);
    const { status, damage } = verified(pack('--zstd', 'a.tar.zst'));
    assert.equal(status, 1);
    assert.deepEqual(
      damage.map(({ subject, code }) => [subject, code]),
      [[image, 'IMAGE_TRUNCATED']],
    );
    const whole = fs.readFileSync(`${folder}/a.tar.zst`);
    fs.writeFileSync(`${folder}/cut.tar.zst`, whole.subarray(0, whole.length - 40));
    const cut = ghostkeep(['verify', `${folder}/cut.tar.zst`]);
    assert.equal(cut.status, 1);
    assert.match(cut.stderr, /ARCHIVE_INVALID/);
  });

  it('an archive that would fill memory, or has a link in place of an image, is refused with a reason', t => {
    const folder = temporaryFolder(t);
    for (const name of ['a', 'b', 'c']) {
      fs.mkdirSync(`${folder}/tree/${name}`, { recursive: true });
      fs.writeFileSync(`${folder}/tree/${name}/files.img`, '');
      fs.truncateSync(`${folder}/tree/${name}/files.img`, 64 << 20);
    }
    const archive = `${folder}/large.tar.gz`;
    execFileSync('tar', ['-C', `${folder}/tree`, '--gzip', '-cf', archive, 'a', 'b', 'c']);
    const large = ghostkeep(['show', archive]);
    assert.equal(
      large.stderr,
      `ghostkeep: cannot read ${archive}: up to files.img it has more and larger images than a checkpoint has; unpack it, and name the directory [ARCHIVE_INVALID]\n`,
    );
    fs.symlinkSync('/etc/passwd', `${folder}/ghost-file-1.img`);
    execFileSync('tar', ['-C', folder, '-cf', `${folder}/link.tar`, 'ghost-file-1.img']);
    assert.equal(
      ghostkeep(['show', `${folder}/link.tar`]).stderr,
      `ghostkeep: cannot read ${folder}/link.tar: ghost-file-1.img in it is not a regular file [ARCHIVE_INVALID]\n`,
    );
  });

  it('verify --repair refuses an archive, and says to unpack it first', async t => {
    const { pack } = await exported(t);
    const archive = pack('--gzip', 'a.tar.gz');
    const { status, stderr } = ghostkeep(['verify', archive, '--repair']);
    assert.equal(status, 2);
    assert.match(stderr, /unpack the archive first/);
  });
});
