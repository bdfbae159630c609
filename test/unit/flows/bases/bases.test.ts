import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bases } from '../../../../src/flows/bases/bases.js';
import { baseName, isPendingName } from '../../../../src/image/layout.js';
import { errno, fakeContext, fakeFile } from '../../fake-host.js';

const { stat } = fakeFile({ ino: 5n, birthtimeNs: 9n });
const base = baseName(stat);

function place() {
  const context = fakeContext();
  const { files } = context.host;
  files.folders.add('/img').add('/img/ghostkeep').add('/bases').add('/bases/ghostkeep');
  files.put(`/bases/${base}`, 'a base');
  const there = () => Object.keys(files.snapshot()).map(name => name.replace(/warm-[0-9a-f]{12}/, 'warm'));
  const bases = () => new Bases(context, '/img', ['/img', '/bases', '/none'], { mode: 0o644, reserve: 5n });
  return { context, files, there, bases };
}

describe('bases', () => {
  it('when a dump takes a base, the base has a name of the dump until it goes back', () => {
    const { bases, there, files } = place();
    const taken = bases();
    const image = taken.take(stat)?.image ?? '';
    assert.ok(isPendingName(image));
    assert.deepEqual(there(), ['/img/ghostkeep/warm-1.img']);
    assert.equal(taken.take(stat), undefined);
    taken.giveBack();
    assert.deepEqual(there(), [`/bases/${base}`]);
    assert.equal(files.open_.size, 1);
    taken.letGo();
    assert.equal(files.open_.size, 0);
  });

  it('when a base is of another file that had this inode number, the dump does not take the base', () => {
    const { bases } = place();
    assert.equal(bases().take({ ...stat, birthtimeNs: 10n }), undefined);
    assert.equal(bases().take({ ...stat, dev: 1n }), undefined);
  });

  it('when the name of a base leads to another file by the time of the rename, that file is not used', () => {
    const { bases, files, context } = place();
    const { renameNew } = files;
    files.renameNew = (from, to) => {
      files.contents.set(from, fakeFile({ ino: 77n, nlink: 1, uid: 0 }));
      renameNew.call(files, from, to);
    };
    assert.equal(bases().take(stat), undefined);
    assert.match(context.lines.join(), /is not the base that was locked/);
    assert.equal(files.open_.size, 0);
  });

  it('when a base lies on another file system, the base stays where it is', () => {
    const { bases, there, files, context } = place();
    files.rename = from => {
      throw errno('EXDEV', from);
    };
    assert.equal(bases().take(stat), undefined);
    assert.deepEqual(there(), [`/bases/${base}`]);
    assert.match(context.lines.join(), /it lies on another file system than the images/);
    assert.equal(files.open_.size, 0);
  });

  it('before a base goes back, a process begins to watch the real path of its directory; without one, no base goes back', () => {
    for (const starts of [true, false])
      for (const from of ['/bases', '/img']) {
        const { bases, files, context } = place();
        files.folders.add('/run/ghostkeep');
        if (from === '/img') files.rename(`/bases/${base}`, `/img/${base}`);
        files.realPath = path => `/real${path}`;
        const { statPath } = files;
        files.statPath = path => statPath.call(files, path.replace(/^\/real/, ''));
        const started: (readonly string[])[] = [];
        context.host.commands = {
          ...context.host.commands,
          leave: words => {
            started.push(words);
            assert.ok(!files.exists(`${from}/${base}`));
            if (!starts) throw errno('ENOENT', 'ghostkeep-hook');
          },
        };
        const taken = bases();
        taken.take(stat);
        taken.giveBack();
        const [words = []] = started;
        assert.deepEqual([words[1], words[3]], [`/real${from}`, String((256 << 20) + 5)]);
        assert.equal(files.exists(`${from}/${base}`), starts);
      }
  });

  it('when the directory of a base holds a checkpoint by now, or is in use, the base does not go back', () => {
    for (const spoil of ['checkpoint', 'owner']) {
      const { bases, there, files, context } = place();
      const taken = bases();
      taken.take(stat);
      if (spoil === 'checkpoint') files.put('/bases/inventory.img', 'CRIU');
      else files.lockedFolders.set('/bases', -1);
      taken.giveBack();
      assert.ok(there().includes('/img/ghostkeep/warm-1.img'), spoil);
      assert.match(context.lines.join(), /a base does not go back to \/bases/);
    }
  });

  it('when the copy over a base failed and another image has its name, that image does not go back', () => {
    const { bases, there, files } = place();
    const taken = bases();
    const image = taken.take(stat)?.image ?? '';
    files.remove(`/img/${image}`);
    const other = fakeFile({ ino: 77n, nlink: 1, uid: 0 });
    files.contents.set(`/img/${image}`, other);
    taken.giveBack();
    assert.deepEqual(there(), ['/img/ghostkeep/warm-1.img']);
  });
});
