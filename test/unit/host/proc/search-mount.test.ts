import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { entriesOf } from '../../../../src/host/engine/read-folder.js';
import * as host from '../../../../src/host/files/make-names.js';
import { filesIn, namesOf } from '../../../../src/host/proc/search-mount.js';

let top: string;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
});
afterEach(() => fs.rmSync(top, { recursive: true }));

const at = (name: string | Buffer) => Buffer.concat([Buffer.from(`${top}/`), Buffer.from(name as string)]);
const folder = (name: string) => fs.mkdirSync(at(name), { recursive: true });

/** Makes a file with these names, as it is when its first name, `opened`, has been removed. */
function linked(...names: (string | Buffer)[]) {
  const first = at('.opened');
  fs.writeFileSync(first, 'ghost');
  for (const name of names) fs.linkSync(first, at(name));
  fs.rmSync(first);
  const { dev, ino, birthtimeNs, ctimeNs } = fs.statSync(at(names[0] as string), { bigint: true });
  return { dev, ino, birthtimeNs, ctimeNs, nlink: names.length };
}

const slash = Buffer.from('/');
const search = (inode: ReturnType<typeof linked>, near = '/opened', limit = 1000) => {
  const { names, complete } = namesOf(top, slash, inode, Buffer.from(near), limit);
  return { names: names.map(name => name.toString('latin1')), complete };
};

describe('namesOf', () => {
  it('when names lie in the same folder and deeper, those in the same folder come first', () => {
    folder('a/b/c');
    folder('z');
    const inode = linked('a/b/c/deep', 'z/near', 'top');
    assert.deepEqual(search(inode, '/z/opened'), {
      names: ['/z/near', '/top', '/a/b/c/deep'],
      complete: true,
    });
  });

  it('when the mount point is below the root, names are still absolute', () => {
    folder('dev/shm/sub');
    const inode = linked('dev/shm/sem.a', 'dev/shm/sub/b', 'outside');
    assert.deepEqual(
      namesOf(top, Buffer.from('/dev/shm'), inode, Buffer.from('/dev/shm/sem.x'), 1000).names.map(String),
      ['/dev/shm/sem.a', '/dev/shm/sub/b'],
    );
  });

  it('when all links are found, the search ends as complete, even at its limit', () => {
    const inode = linked('a');
    folder('many');
    for (let n = 0; n < 50; n += 1) fs.writeFileSync(at(`many/${n}`), '');
    assert.deepEqual(search(inode, '/opened', 2), { names: ['/a'], complete: true });
    const more = linked('b', 'c');
    assert.deepEqual(search({ ...more, nlink: 1 }).names.length, 1, 'nothing is looked at after the last');
  });

  it('when the search reaches its limit, it says that it is not complete', () => {
    folder('many/far');
    for (let n = 0; n < 50; n += 1) fs.writeFileSync(at(`many/${n}`), '');
    const inode = linked('many/far/a');
    assert.deepEqual(search(inode, '/opened', 20), { names: [], complete: false });
    assert.deepEqual(search(inode, '/opened', 1000), { names: ['/many/far/a'], complete: true });
  });

  it('when a folder has very many entries, no more of them are read than the limit and a portion', () => {
    for (let n = 0; n < 3000; n += 1) fs.writeFileSync(at(`${'long'.repeat(40)}-${n}`), '');
    const fd = fs.openSync(top, 'r');
    try {
      let read = 0;
      for (const { name } of entriesOf(fd)) {
        read += 1;
        if (read === 20) break;
        assert.ok(name.length > 0);
      }
      // The kernel goes on behind what was read, which is a tenth of the folder.
      const left = [...entriesOf(fd)].length;
      assert.ok(left > 2500 && left < 3000, `${left} of 3000 entries were left`);
    } finally {
      fs.closeSync(fd);
    }
  });

  it('when some links are not on the mount, the search is complete without them', () => {
    const inode = linked('a');
    assert.deepEqual(search({ ...inode, nlink: 2 }), { names: ['/a'], complete: true });
    assert.deepEqual(search({ ...inode, ino: inode.ino + 1_000_000n }), { names: [], complete: true });
  });

  it('when a name has a newline or is not UTF-8, its bytes come back', () => {
    const odd = Buffer.from([0x61, 0x0a, 0xff, 0xfe]);
    const inode = linked(odd);
    assert.deepEqual(namesOf(top, slash, inode, Buffer.from('/x'), 100).names, [Buffer.concat([slash, odd])]);
  });

  it('when symbolic links lead outside or in a circle, none is followed', () => {
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
    try {
      const inode = linked('a');
      fs.linkSync(at('a'), `${outside}/elsewhere`);
      fs.symlinkSync(outside, at('absolute'));
      fs.symlinkSync(path.relative(top, outside), at('relative'));
      fs.symlinkSync('.', at('circle'));
      fs.symlinkSync('a', at('b'));
      const wanted = { ...inode, nlink: 9 };
      assert.deepEqual(search(wanted), { names: ['/a'], complete: true });
      // The search stays in the root even where the folder of the opened name has become a link.
      for (const near of ['/absolute/opened', '/relative/opened', '/gone/opened', '/a/opened'])
        assert.deepEqual(search(wanted, near), { names: ['/a'], complete: true }, near);
    } finally {
      fs.rmSync(outside, { recursive: true });
    }
  });

  it('when the same file system is mounted again inside, names there do not count as names on this mount', t => {
    folder('inside');
    folder('other');
    const inode = linked('other/b');
    if (spawnSync('mount', ['--bind', `${top}/other`, `${top}/inside`]).status !== 0) {
      t.skip('nothing can be mounted here');
      return;
    }
    try {
      const wanted = { ...inode, nlink: 2 };
      assert.deepEqual(search(wanted), { names: ['/other/b'], complete: true });
      assert.deepEqual(search(wanted, '/inside/opened'), { names: ['/other/b'], complete: true });
      const through = namesOf(top, Buffer.from('/inside'), wanted, Buffer.from('/inside/x'), 100);
      assert.deepEqual(through.names.map(String), ['/inside/b']);
    } finally {
      assert.equal(spawnSync('umount', [`${top}/inside`]).status, 0);
    }
  });

  it('when another file is mounted on a name, that is no name on this mount', t => {
    const inode = linked('b');
    fs.writeFileSync(at('a'), '');
    if (spawnSync('mount', ['--bind', `${top}/b`, `${top}/a`]).status !== 0) {
      t.skip('nothing can be mounted here');
      return;
    }
    try {
      assert.deepEqual(search({ ...inode, nlink: 2 }), { names: ['/b'], complete: true });
    } finally {
      assert.equal(spawnSync('umount', [`${top}/a`]).status, 0);
    }
  });

  it('when the mount point is not found, the result is empty and not complete', () => {
    const inode = linked('a');
    assert.deepEqual(namesOf(top, Buffer.from('/gone'), inode, Buffer.from('/gone/a'), 10), {
      names: [],
      complete: false,
      looked: 0,
    });
  });
});

describe('filesIn', () => {
  const list = (limit = 100, below = '/shm') => {
    const { files, complete } = filesIn(top, Buffer.from(below), limit);
    return [...files.map(({ path, stat }) => `${path} ${stat.size}`).sort(), complete];
  };
  const umount = (name: string) => assert.equal(spawnSync('umount', [`${top}/${name}`]).status, 0);
  const mount = (name: string) => {
    folder(name);
    return spawnSync('mount', ['-t', 'tmpfs', 'x', `${top}/${name}`]).status === 0;
  };
  const onTmpfs = (what: string, test: () => void) =>
    it(what, t => {
      if (!mount('shm')) {
        t.skip('nothing can be mounted here');
        return;
      }
      try {
        test();
      } finally {
        umount('shm');
      }
    });

  onTmpfs('the folder and all below it are listed, and no symbolic link is followed', () => {
    fs.writeFileSync(at('shm/one'), 'four');
    folder('shm/d/e');
    fs.writeFileSync(at('shm/d/e/f'), 'sixsix');
    fs.writeFileSync(at('outside'), '');
    fs.symlinkSync('/', at('shm/link'));
    assert.deepEqual(
      list().map(line => `${line}`.replace(/^(\/shm(\/d)?(\/e)?) \d+$/, '$1')),
      ['/shm', '/shm/d', '/shm/d/e', '/shm/d/e/f 6', '/shm/link 1', '/shm/one 4', 'true'],
    );
  });

  onTmpfs('another mount in the folder is not looked at', () => {
    assert.ok(mount('shm/inner'));
    try {
      fs.writeFileSync(at('shm/inner/f'), '');
      assert.deepEqual([list().length, list().at(-1)], [2, true]);
    } finally {
      umount('shm/inner');
    }
  });

  onTmpfs('no more is looked at than the limit allows', () => {
    for (let n = 0; n < 50; n += 1) fs.writeFileSync(at(`shm/${n}`), '');
    assert.equal(list(100).length, 52);
    assert.deepEqual([list(20).length, list(20).at(-1)], [22, false]);
    folder('shm/many');
    for (let n = 0; n < 50; n += 1) fs.writeFileSync(at(`shm/many/${n}`), '');
    assert.equal(list(70).at(-1), false);
  });

  it('when the folder does not exist, filesIn finds nothing, and the list is not complete', () => {
    assert.deepEqual(list(100, '/gone'), [false]);
  });
});

describe('makeNames', () => {
  const names = (...values: (string | Buffer)[]) => values.map(value => Buffer.from(value as string));
  const writes = async (fd: number) => void fs.writeSync(fd, 'content');
  const makeNames = (
    root: string,
    all: Buffer[],
    write: (fd: number) => Promise<void>,
    check: (magic: bigint) => void = () => {},
  ) => host.makeNames(root, all, check, write);
  const never = async () => assert.fail('nothing is to be written');
  const ino = (name: string | Buffer) => fs.statSync(at(name)).ino;
  const listed = () => fs.readdirSync(top).sort();
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  let before: number;
  beforeEach(() => {
    before = descriptors();
  });
  afterEach(() => assert.equal(descriptors(), before, 'a descriptor is left open'));

  it('when none of the names exists, the file is made with all its names, odd ones too, and no other', async () => {
    folder('sub');
    const odd = Buffer.from([0x0a, 0xff]);
    assert.equal(await makeNames(top, names('a', 'sub/b', odd), writes), 'file');
    assert.equal(fs.readFileSync(at('a'), 'utf8'), 'content');
    assert.deepEqual([ino('sub/b'), ino(odd)], [ino('a'), ino('a')]);
    assert.equal(fs.statSync(at('a')).nlink, 3);
    assert.equal(listed().length, 3);
  });

  it('when one name exists, it stays as it is and the others are linked to its file', async () => {
    fs.writeFileSync(at('b'), 'old');
    const inode = ino('b');
    assert.equal(await makeNames(top, names('a', 'b', 'c'), never), 'links');
    assert.deepEqual([ino('a'), ino('b'), ino('c')], [inode, inode, inode]);
    assert.equal(fs.readFileSync(at('a'), 'utf8'), 'old');
  });

  it('when all names exist, nothing is done, even where they are different files', async () => {
    fs.writeFileSync(at('a'), '1');
    fs.symlinkSync('nowhere', at('b'));
    assert.equal(await makeNames(top, names('a', 'b'), never), 'nothing');
    assert.equal(fs.readFileSync(at('a'), 'utf8'), '1');
    assert.equal(fs.readlinkSync(at('b')), 'nowhere');
  });

  it('when writing the file fails, nothing is left behind', async () => {
    const broken = makeNames(top, names('a'), async fd => {
      fs.writeSync(fd, 'half');
      throw new Error('disk full');
    });
    await assert.rejects(broken, /disk full/);
    assert.deepEqual(listed(), []);
  });

  it('when the folder of a name is gone, the error says so and the other names are removed again', async () => {
    await assert.rejects(makeNames(top, names('a', 'gone/b'), writes), { code: 'ENOENT' });
    assert.deepEqual(listed(), []);
    fs.writeFileSync(at('old'), 'old');
    await assert.rejects(makeNames(top, names('old', 'a', 'gone/b'), never), { code: 'ENOENT' });
    assert.deepEqual(listed(), ['old']);
    assert.equal(fs.readFileSync(at('old'), 'utf8'), 'old');
  });

  it('when the root folder is gone or is a file, the call fails before anything is made', async () => {
    await assert.rejects(makeNames(`${top}/gone`, names('a'), never), { code: 'ENOENT' });
    fs.writeFileSync(at('file'), '');
    await assert.rejects(makeNames(`${top}/file`, names('a'), never), { code: 'ENOTDIR' });
  });

  it('when a name leads outside by dots or links, the file stays inside', async () => {
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
    try {
      fs.symlinkSync(outside, at('link'));
      await assert.rejects(makeNames(top, names('link/a'), writes), { code: 'ENOENT' });
      await makeNames(top, names('../b'), writes);
      folder('real');
      fs.symlinkSync('/real', at('inside'));
      await makeNames(top, names('inside/c'), writes);
      assert.deepEqual(fs.readdirSync(at('real')), ['c']);
      assert.deepEqual(fs.readdirSync(outside), []);
      assert.deepEqual(listed(), ['b', 'inside', 'link', 'real']);
    } finally {
      fs.rmSync(outside, { recursive: true });
    }
  });

  it('when a folder is replaced by a link meanwhile, names are made and removed in the original folder', async () => {
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
    const swap = async (fd: number) => {
      await writes(fd);
      fs.renameSync(at('sub'), at('moved'));
      fs.symlinkSync(outside, at('sub'));
    };
    try {
      folder('sub');
      assert.equal(await makeNames(top, names('sub/a', 'b'), swap), 'file');
      assert.deepEqual([fs.readdirSync(outside), fs.readdirSync(at('moved'))], [[], ['a']]);
      fs.rmSync(at('sub'));
      fs.rmSync(at('b'));
      fs.renameSync(at('moved'), at('sub'));
      const taken = makeNames(top, names('sub/c', 'b'), async fd => {
        await swap(fd);
        fs.writeFileSync(`${outside}/c`, 'of the host');
        fs.writeFileSync(at('b'), 'taken');
      });
      await assert.rejects(taken, { code: 'EEXIST' });
      assert.deepEqual([fs.readdirSync(outside), fs.readdirSync(at('moved'))], [['c'], ['a']]);
    } finally {
      fs.rmSync(outside, { recursive: true });
    }
  });

  it('when a folder is refused for its file system, nothing is made in any folder', async t => {
    folder('sub');
    const allowed = fs.statfsSync(top, { bigint: true }).type;
    const check = (magic: bigint) => assert.equal(magic, allowed, 'another file system');
    if (spawnSync('mount', ['-t', 'ramfs', 'none', `${top}/sub`]).status !== 0) {
      t.skip('nothing can be mounted here');
      return;
    }
    try {
      await assert.rejects(makeNames(top, names('a', 'sub/b'), never, check), /another file system/);
      fs.writeFileSync(at('a'), '');
      await assert.rejects(makeNames(top, names('a', 'c', 'sub/b'), never, check), /another file system/);
      assert.deepEqual([listed(), fs.readdirSync(at('sub'))], [['a', 'sub'], []]);
      await makeNames(`${top}/sub`, names('b'), writes, magic => assert.equal(magic, 0x858458f6n));
      assert.deepEqual(fs.readdirSync(at('sub')), ['b']);
    } finally {
      assert.equal(spawnSync('umount', [`${top}/sub`]).status, 0);
    }
  });
});
