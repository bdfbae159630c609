import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  foldersOfBases,
  hasBaseRecords,
  listBaseRecords,
  livingOf,
  writeBaseRecord,
} from '../../../../src/flows/bases/base-records.js';
import { listBases, removeEnded } from '../../../../src/flows/bases/leftover-bases.js';
import { watchAgain } from '../../../../src/flows/bases/watch-room.js';
import { baseName } from '../../../../src/image/layout.js';
import { errno, fakeContext, fakeFile } from '../../fake-host.js';

const records = '/run/ghostkeep/bases';

/** Process 100 with a child and a grandchild, and 200 beside them. */
function host() {
  const context = fakeContext();
  const { files, processes } = context.host;
  files.folders.add('/img').add('/bases').add('/bases/ghostkeep').add('/other').add('/run/ghostkeep');
  processes.add(100, {});
  processes.add(101, { parent: 100 });
  processes.add(102, { parent: 101 });
  processes.add(200, {});
  return { context, files, processes };
}

describe('a record of bases', () => {
  it('when a tree of processes has a record of bases, any process of the tree leads to it, and its root comes first', () => {
    const { context } = host();
    writeBaseRecord(context, '/bases', [100, 101, 102]);
    const [{ path, record }] = listBaseRecords(context) as [ReturnType<typeof listBaseRecords>[0]];
    assert.match(path, /^\/run\/ghostkeep\/bases\/100-\w+\.json$/);
    assert.deepEqual(
      record.processes.map(({ pid }) => pid),
      [100, 101, 102],
    );
    assert.deepEqual(foldersOfBases(context, '/img', [101, 200]), ['/bases']);
    assert.deepEqual(foldersOfBases(context, '/img', [200]), []);
  });

  it('when the pid of a record of bases belongs to another process by now, the record leads nowhere, and is removed', () => {
    const { context, processes, files } = host();
    writeBaseRecord(context, '/bases', [100]);
    processes.add(100, { startTime: '99999' });
    assert.deepEqual(foldersOfBases(context, '/img', [100]), []);
    assert.deepEqual(livingOf(context.host, listBaseRecords(context)[0]?.record as never), []);
    assert.deepEqual(removeEnded(context), ['/bases']);
    assert.deepEqual(files.list(records), []);
  });

  it('when a dump begins in a folder while its last base is removed, what the dump has written stays', () => {
    const { context, processes, files } = host();
    writeBaseRecord(context, '/bases', [100]);
    processes.add(100, { startTime: '99999' });
    for (const way of ['removeEmpty', 'removeTree'] as const) {
      const remove = files[way].bind(files);
      files[way] = ((folder: string) => {
        files.put('/bases/ghostkeep/ghost-1.img', 'all its bytes');
        return remove(folder);
      }) as never;
    }
    removeEnded(context);
    assert.ok(files.exists('/bases/ghostkeep/ghost-1.img'));
  });

  it('when the same processes have another round, their record of bases is replaced', () => {
    const { context } = host();
    writeBaseRecord(context, '/bases', [100]);
    writeBaseRecord(context, '/other', [100], 'mydb');
    assert.deepEqual(
      listBaseRecords(context).map(({ record }) => [record.folder, record.container]),
      [['/other', 'mydb']],
    );
  });

  it('when the images are on another device than the bases, the folder of the bases is not looked at', () => {
    const { context, files } = host();
    writeBaseRecord(context, '/bases', [100]);
    const statPath = files.statPath.bind(files);
    files.statPath = path =>
      path.startsWith('/bases') ? assert.fail(path) : { ...statPath(path), dev: 0x900n };
    assert.deepEqual(foldersOfBases(context, '/img', [100]), []);
  });

  it('when others may write to the folder of records, the folder is neither read nor written', () => {
    const { context, files } = host();
    writeBaseRecord(context, '/bases', [100]);
    const statPath = files.statPath.bind(files);
    files.statPath = path => ({ ...statPath(path), ...(path === records ? { mode: 0o40777 } : {}) });
    assert.deepEqual(listBaseRecords(context), []);
    writeBaseRecord(context, '/bases', [200]);
    assert.deepEqual(context.lines, [
      `warn cannot record in ${records} where the bases lie, so the gate finds only those in its own image directory: others may write to it`,
    ]);
    assert.equal(files.list(records).length, 1);
  });

  it('the lock file of a process that watches bases counts as no record, and stays as long as somebody has it locked', () => {
    const { context, files } = host();
    files.folders.add(records);
    files.put(`${records}/watch-1-4.lock`, '268435456 /bases');
    files.locked.add(`${records}/watch-1-4.lock`);
    assert.equal(hasBaseRecords(context), false);
    writeBaseRecord(context, '/bases', [100]);
    assert.equal(hasBaseRecords(context), true);
    context.host.commands.leave = () => assert.fail('somebody watches');
    watchAgain(context);
    assert.ok(files.exists(`${records}/watch-1-4.lock`));
    assert.equal(files.open_.size, 0);
  });

  it('when a process that watches bases was killed, another one is started for the same starter', () => {
    const { context, files } = host();
    files.folders.add(records);
    for (const [name, words] of Object.entries({
      'watch-1-2.lock': '268435457 77 1234 /a folder\n',
      'watch-1-3.lock': '5 /of version 0.2.0',
      'watch-1-3.lock.77': '268435456 /never-watched',
      'watch-1-5.lock': '',
      'watch-1-6.lock': '1 relative',
      'watch-1-7.lock': `1 /${'x'.repeat(10_000)}`,
    }))
      files.put(`${records}/${name}`, words);
    const started: (readonly string[])[] = [];
    context.host.commands.leave = words => void started.push(words);
    watchAgain(context);
    const mark = `${records}/watch-1-2.lock`;
    assert.deepEqual(started, [
      ['watch-bases', '/a folder\n', mark, '268435457', '77', '1234'],
      ['watch-bases', '/of version 0.2.0', mark.replace('1-2', '1-3'), '5', '0', '0'],
    ]);
    assert.deepEqual(files.list(records).sort(), ['watch-1-2.lock', 'watch-1-3.lock', 'watch-1-7.lock']);
    assert.match(context.lines.join('\n'), /^info nobody watches the bases of \S+watch-1-7\.lock: /);
    assert.equal(files.open_.size, 0);
  });

  it('when a folder of bases is on a dead file server, the bases of others that have ended are removed all the same', () => {
    const { context, files, processes } = host();
    const base = baseName(fakeFile().stat);
    for (const folder of ['/dead', '/bases']) {
      files.folders.add(folder).add(`${folder}/ghostkeep`);
      files.put(`${folder}/${base}`, 'a base');
    }
    writeBaseRecord(context, '/dead', [100]);
    writeBaseRecord(context, '/bases', [200]);
    const { statPath } = files;
    files.statPath = path => {
      assert.ok(!path.startsWith('/dead'), 'nobody else would ever go on');
      return statPath.call(files, path);
    };
    processes.statInRoot = (_, path) => {
      if (path.toString() === '/dead') throw errno('ETIMEDOUT');
      return undefined;
    };
    assert.deepEqual(
      listBases(context).map(({ folder, bases }) => [folder, bases.length]),
      [
        ['/bases', 1],
        ['/dead', 0],
      ],
    );
    assert.deepEqual(
      removeEnded(context, () => true),
      ['/bases'],
    );
    assert.ok(!files.exists(`/bases/${base}`));
    assert.deepEqual(
      listBaseRecords(context).map(({ record }) => record.folder),
      ['/dead'],
    );
  });

  it('when one record of bases cannot be read, the other records are', () => {
    const { context, files } = host();
    writeBaseRecord(context, '/bases', [100]);
    files.put(`${records}/1-1.json`, '{"version": 2}');
    files.put(`${records}/2-2.json`, 'x'.repeat(2 << 20));
    assert.equal(listBaseRecords(context).length, 1);
  });

  it('the bases in a folder stay until the last container that has a record of that folder has ended', () => {
    const { context, files } = host();
    const base = `/bases/${baseName(fakeFile().stat)}`;
    files.put(base, 'a base');
    writeBaseRecord(context, '/bases', [100], 'one');
    writeBaseRecord(context, '/bases', [200], 'two');
    const end = (id: string) => removeEnded(context, ({ container }) => container === id);
    assert.deepEqual(end('one'), []);
    assert.ok(files.exists(base));
    assert.deepEqual(end('two'), ['/bases']);
    assert.ok(!files.exists(base));
    assert.ok(!files.exists('/bases/ghostkeep'));
    assert.deepEqual(files.list(records), []);
  });

  it('when another dump owns the directory by now, the bases are removed, and the folder is left to that dump', () => {
    const { context, files, processes } = host();
    files.put(`/bases/${baseName(fakeFile().stat)}`, 'a base');
    writeBaseRecord(context, '/bases', [100]);
    processes.end(100);
    files.lockedFolders.set('/bases', -1);
    removeEnded(context);
    assert.deepEqual(files.list('/bases/ghostkeep'), []);
    assert.ok(files.exists('/bases/ghostkeep'));
  });
});
