import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openFolder } from '../../../../src/host/files/open-folder.js';

const uid = process.getuid?.() ?? 0;

function scratch(t: TestContext): string {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'gk-')));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
function open(t: TestContext, folder: string, as = uid): string {
  const fd = openFolder(folder, as);
  t.after(() => fs.closeSync(fd));
  return `/proc/self/fd/${fd}`;
}

describe('openFolder', () => {
  it('when folders are missing, they are made for us alone; dots and double slashes work as usual', t => {
    const folder = scratch(t);
    const held = open(t, `${folder}/a/.//b/../c/`);
    assert.equal(fs.realpathSync(held), `${folder}/a/c`);
    assert.equal(fs.statSync(`${folder}/a`).mode & 0o777, 0o700);
    assert.equal(fs.realpathSync(open(t, '.')), process.cwd());
  });

  it('when the opened folder is replaced by a link, new files still go into the opened folder', t => {
    const folder = scratch(t);
    fs.mkdirSync(`${folder}/victim`);
    const held = open(t, `${folder}/a`);
    fs.renameSync(`${folder}/a`, `${folder}/b`);
    fs.symlinkSync('victim', `${folder}/a`);
    fs.writeFileSync(`${held}/ghost-1`, '');
    assert.deepEqual(fs.readdirSync(`${folder}/b`), ['ghost-1']);
    assert.deepEqual(fs.readdirSync(`${folder}/victim`), []);
  });

  it('when a link in our own folder is ours, it is followed, absolute or relative', t => {
    const folder = scratch(t);
    fs.mkdirSync(`${folder}/real`);
    fs.symlinkSync('../gone/../real', `${folder}/real/relative`);
    fs.mkdirSync(`${folder}/gone`);
    fs.symlinkSync(`${folder}/real/relative`, `${folder}/absolute`);
    assert.equal(fs.realpathSync(open(t, `${folder}/absolute/x`)), `${folder}/real/x`);
  });

  it('when somebody else could have made the link, it is not followed', t => {
    const folder = scratch(t);
    fs.symlinkSync('/', `${folder}/link`);
    fs.chmodSync(folder, 0o777);
    assert.throws(() => openFolder(`${folder}/link`, uid), { code: 'ELOOP' });
    fs.chmodSync(folder, 0o770);
    assert.throws(() => openFolder(`${folder}/link/x`, uid), { code: 'ELOOP' });
    fs.chmodSync(folder, 0o1777);
    open(t, `${folder}/link`);
  });

  it('when links lead in a circle, or a file is in the way, the error says so', t => {
    const folder = scratch(t);
    fs.symlinkSync('link', `${folder}/link`);
    fs.writeFileSync(`${folder}/file`, '');
    assert.throws(() => openFolder(`${folder}/link`, uid), { code: 'ELOOP' });
    assert.throws(() => openFolder(`${folder}/file`, uid), { code: 'ENOTDIR' });
    assert.throws(() => openFolder(`${folder}/file/x`, uid), { code: 'ENOTDIR' });
    assert.throws(() => openFolder('/proc/none/x', uid), { code: 'ENOENT' });
  });
});
