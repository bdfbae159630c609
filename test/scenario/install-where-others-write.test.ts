/** install.sh where another user could put a program in the place of ours. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isRoot, needs } from './ghostkeep.js';
import { InstallTree } from './install-tree.js';

const stranger = 65_534;

describe('install.sh beside other users', () => {
  let host: InstallTree;
  beforeEach(() => {
    host = new InstallTree();
    // Lets other users enter, because a folder that is closed to them protects everything below it.
    fs.chmodSync(host.folder, 0o755);
  });
  afterEach(() => host.remove());

  const folder = (name: string, mode: number, owner = 0) => {
    const made = host.at(name);
    fs.mkdirSync(made, { recursive: true });
    fs.chmodSync(made, mode);
    if (owner !== 0) fs.chownSync(made, owner, owner);
  };

  const refuses = (name: string) => {
    const before = Object.keys(host.snapshot());
    const { status, said } = host.run([]);
    assert.equal(status, 1, said);
    assert.match(said, new RegExp(`${name} belongs to somebody else, or anybody may write to it`));
    assert.deepEqual(Object.keys(host.snapshot()), before, 'nothing is left');
  };

  for (const name of ['/usr/local', '/usr/share/containers/oci/hooks.d', '/usr/lib/criu'])
    it(`when anybody may write to ${name}, nothing is installed`, () => {
      folder(name, 0o777);
      refuses(name);
    });

  it('when a folder on the path belongs to another user, nothing is installed', t => {
    if (!needs(t, isRoot, 'only root gives folders away')) return;
    folder('/usr/local/lib', 0o755, stranger);
    refuses('/usr/local/lib');
  });

  it('when a folder on the path is a link into one that anybody may write to, nothing is installed', () => {
    folder('/shared', 0o777);
    folder('/usr', 0o755);
    fs.symlinkSync(host.at('/shared'), host.at('/usr/local'));
    refuses('/shared');
  });

  it('when a folder is shared like /tmp, or with its group like /usr/local on Debian, the installation succeeds', () => {
    folder('/usr/share', 0o1777);
    folder('/usr/local', 0o2775);
    const { status, said } = host.run([]);
    assert.equal(status, 0, said);
  });

  it('when other users cannot enter a folder on the path, the installation succeeds', () => {
    folder('/usr/local', 0o777);
    fs.chmodSync(host.at('/usr'), 0o750);
    fs.chmodSync(host.at('/'), 0o750);
    const { status, said } = host.run([]);
    assert.equal(status, 0, said);
  });

  it('when anybody may write to an installation, --check starts no program of it and --uninstall removes nothing', () => {
    assert.equal(host.run([]).status, 0);
    const lib = host.at('/usr/local/lib/ghostkeep');
    const victim = path.join(host.root, 'victim');
    fs.writeFileSync(victim, 'not ours');
    fs.chmodSync(lib, 0o777);
    fs.appendFileSync(`${lib}/installed`, `${'0'.repeat(64)}  /victim\n`);
    const started = path.join(host.folder, 'started');
    fs.writeFileSync(`${lib}/dist/ghostkeep.mjs`, `require('fs').writeFileSync('${started}', '')`);
    for (const option of ['--check', '--uninstall']) {
      const { status, said } = host.run([option]);
      assert.equal(status, 1, said);
      assert.match(said, /anybody may write to it/);
    }
    assert.deepEqual([fs.existsSync(victim), fs.existsSync(started)], [true, false]);
  });

  for (const name of ['dist/ghostkeep.mjs', '.'])
    it(`when anybody may write to ${name} of the source tree, root installs nothing from it`, t => {
      if (!needs(t, isRoot, 'only root asks whose a tree is')) return;
      const file = path.join(host.tree, name);
      fs.chmodSync(file, 0o777);
      const { status, said } = host.run([]);
      assert.equal(status, 1, said);
      assert.ok(said.includes(`anybody may write to ${file}, so`), said);
      assert.ok(!fs.existsSync(host.at('/usr')));
    });
});
