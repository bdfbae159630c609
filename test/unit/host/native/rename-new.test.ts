import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { renameNew } from '../../../../src/host/native/rename-new.js';
import { errno } from '../../fake-host.js';

function two(t: TestContext): [string, string] {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  fs.writeFileSync(`${folder}/from`, 'new');
  return [`${folder}/from`, `${folder}/to`];
}
const withoutFlag = () => -22; // EINVAL
const withoutLinks = () => {
  throw errno('EPERM');
};

describe('renameNew', () => {
  const ways: [string, (from: string, to: string) => void][] = [
    ['can rename without replacing', renameNew],
    ['has hard links only', (from, to) => renameNew(from, to, withoutFlag)],
    ['has neither', (from, to) => renameNew(from, to, withoutFlag, withoutLinks)],
  ];
  for (const [what, rename] of ways) {
    it(`when the file system ${what}, the file has its new name and no other`, t => {
      const [from, to] = two(t);
      rename(from, to);
      assert.equal(fs.readFileSync(to, 'utf8'), 'new');
      assert.deepEqual([fs.existsSync(from), fs.statSync(to).nlink], [false, 1]);
    });

    it(`when the file system ${what} and the new name is taken, both files stay as they are`, t => {
      const [from, to] = two(t);
      for (const make of [() => fs.writeFileSync(to, 'old'), () => fs.symlinkSync('nowhere', to)]) {
        make();
        assert.throws(() => rename(from, to), { code: 'EEXIST' });
        assert.equal(fs.readFileSync(from, 'utf8'), 'new');
        fs.rmSync(to);
      }
    });
  }

  it('when the rename fails for another reason, that error is thrown', t => {
    const [from, to] = two(t);
    assert.throws(() => renameNew(`${from}.gone`, to), { code: 'ENOENT' });
    assert.throws(() => renameNew(from, to, withoutFlag, () => fs.linkSync('/proc/version', to)), {
      code: 'EXDEV',
    });
  });
});
