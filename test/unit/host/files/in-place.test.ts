import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { giveNames } from '../../../../src/flows/seal/give-names.js';
import { inPlace } from '../../../../src/host/files/in-place.js';
import { PlacedFiles } from '../../../../src/host/files/placed-files.js';
import { aManifest } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext } from '../../fake-host.js';

const files = new PlacedFiles();
let top: string;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-place-'));
  fs.mkdirSync(`${top}/images/ghostkeep/rehearsal/ghostkeep`, { recursive: true });
  fs.mkdirSync(`${top}/victim`);
  fs.writeFileSync(`${top}/victim/x`, 'as it was');
});
afterEach(() => fs.rmSync(top, { recursive: true }));

describe('files in a working folder', () => {
  const ours = ['ghostkeep', 'ghostkeep/rehearsal', 'ghostkeep/rehearsal/ghostkeep'];

  for (const folder of ours)
    it(`when ${folder} is replaced by a link during an action, the action stays in the original folder`, () => {
      const place = `${top}/images/${folder}`;
      inPlace(`${place}/x`, at => {
        fs.renameSync(place, `${top}/moved`);
        fs.symlinkSync(`${top}/victim`, place);
        files.replace(at, Buffer.from('ours'), { durable: false });
        files.remove(at);
        files.create(at);
      });
      assert.equal(fs.readFileSync(`${top}/victim/x`, 'utf8'), 'as it was');
      assert.ok(fs.existsSync(`${top}/moved/x`));
    });

  it('when the folder is held, its files are named in the original folder, and by their path again afterwards', () => {
    const ours = `${top}/images/ghostkeep`;
    const other = `${top}/images/ghostkeep/rehearsal/ghostkeep`;
    fs.writeFileSync(`${ours}/a`, 'a');
    const fds = () => fs.readdirSync('/proc/self/fd').length;
    const before = fds();
    const result = files.holding(ours, () => {
      fs.renameSync(ours, `${top}/moved`);
      fs.symlinkSync(`${top}/victim`, ours);
      files.rename(`${ours}/a`, `${top}/images/b`);
      files.create(`${ours}/c`);
      assert.throws(() => files.create(`${other}/d`), { code: 'IMAGE_INVALID' });
      return 'done';
    });
    assert.deepEqual([result, fds()], ['done', before + 1]);
    assert.equal(fs.readFileSync(`${top}/images/b`, 'utf8'), 'a');
    assert.deepEqual(fs.readdirSync(`${top}/moved`).sort(), ['c', 'rehearsal']);
    assert.deepEqual(fs.readdirSync(`${top}/victim`), ['x']);
    assert.throws(() => files.create(`${ours}/e`), { code: 'IMAGE_INVALID' });
    assert.throws(() => files.holding(ours, () => ''), { code: 'IMAGE_INVALID' });
    assert.equal(
      files.holding(`${top}/none/ghostkeep`, () => 'done'),
      'done',
    );
  });

  it('when a seal gives names, it opens the working folder once', () => {
    const opened: string[] = [];
    const context = fakeContext();
    context.host.files.holding = (folder, work) => {
      opened.push(folder);
      return work();
    };
    const journal = aManifest({ ghosts: [] });
    giveNames(context, '/img', journal, 1, { durable: false });
    assert.deepEqual(opened, ['/img/ghostkeep']);
  });

  it('when the working folder is a link, no call follows it, and removeTree removes only the link', () => {
    const { ours, file } = { ours: `${top}/images/ghostkeep`, file: `${top}/images/ghostkeep/x` };
    fs.rmSync(ours, { recursive: true });
    fs.symlinkSync(`${top}/victim`, ours);
    const other = `${top}/images/other`;
    fs.writeFileSync(other, '');
    const bound = { bytes: 100, code: 'IO' } as const;
    const calls: Record<string, () => unknown> = {
      read: () => files.read(file, bound),
      readStart: () => files.readStart(file, 1),
      readIfThere: () => files.readIfThere(file, bound),
      list: () => files.list(ours),
      makeDirectory: () => files.makeDirectory(`${ours}/rehearsal`),
      create: () => files.create(`${ours}/new`),
      open: () => files.open(file),
      openWritable: () => files.openWritable(file),
      statPath: () => files.statPath(file),
      replace: () => files.replace(file, Buffer.from('x')),
      renameFrom: () => files.rename(file, `${top}/images/y`),
      renameTo: () => files.rename(other, file),
      renameNew: () => files.renameNew(other, `${ours}/new`),
      remove: () => files.remove(file),
      removeTree: () => files.removeTree(`${ours}/rehearsal`),
      sync: () => files.sync(file),
    };
    for (const [name, call] of Object.entries(calls))
      assert.throws(call, ghostkeepError('IMAGE_INVALID', 'symbolic link'), name);
    assert.equal(files.exists(file), false);
    assert.throws(() => files.makeDirectory(ours), { code: 'EEXIST' });
    assert.deepEqual(fs.readdirSync(`${top}/victim`), ['x']);
    files.removeTree(ours);
    assert.equal(fs.readFileSync(`${top}/victim/x`, 'utf8'), 'as it was');
    assert.equal(fs.existsSync(ours), false);
  });

  it('when the working folder does not exist, it is made together with the folder in it', () => {
    files.removeTree(`${top}/images`);
    files.makeDirectory(`${top}/images/ghostkeep/rehearsal`);
    assert.ok(fs.statSync(`${top}/images/ghostkeep/rehearsal`).isDirectory());
  });

  it('when an error names a file, the path is the one that the caller gave', () => {
    const file = `${top}/images/ghostkeep/none`;
    assert.throws(() => files.open(file), { code: 'ENOENT', message: new RegExp(`open '${file}'`) });
  });

  it('when a tree with links and odd names is removed, the targets of the links stay', () => {
    const ours = `${top}/images/ghostkeep`;
    fs.symlinkSync(`${top}/victim`, `${ours}/rehearsal/link`);
    fs.writeFileSync(Buffer.concat([Buffer.from(`${ours}/`), Buffer.from([0xff, 0x0a])]), '');
    files.removeTree(ours);
    assert.equal(fs.existsSync(ours), false);
    assert.equal(fs.readFileSync(`${top}/victim/x`, 'utf8'), 'as it was');
  });
});
