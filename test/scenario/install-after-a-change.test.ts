import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isRoot, needs } from './ghostkeep.js';
import { InstallTree } from './install-tree.js';

const builtFrom = '/usr/local/lib/ghostkeep/dist/built-from';
const longAgo = new Date('2001-01-01');

describe('install.sh in a source tree', () => {
  let host: InstallTree;
  beforeEach(() => {
    host = new InstallTree();
    host.addSources();
  });
  afterEach(() => host.remove());

  const at = (name: string) => path.join(host.tree, name);
  const install = () => {
    const { status, said } = host.run([]);
    assert.equal(status, 0, said);
    return said;
  };
  const installed = () => fs.readFileSync(host.at(builtFrom), 'utf8');
  const setup = (...args: string[]) => {
    const { status, stderr } = spawnSync('sh', [at('scripts/setup'), ...args], { encoding: 'utf8' });
    return { status, stderr };
  };

  it('install.sh in a source tree builds what a pull has changed, and installs that build', () => {
    install();
    assert.equal(installed(), 'the first');
    fs.writeFileSync(at('src/main.ts'), 'the second');
    assert.match(install(), /npm run build: .*\(src\/main\.ts changed\)/);
    assert.equal(installed(), 'the second');
    assert.doesNotMatch(install(), /npm run build/);
  });

  const changes: [string, () => void, RegExp][] = [
    ['a file is gone', () => fs.rmSync(at('src/main.ts')), /src\/main\.ts changed/],
    [
      'a file has another name',
      () => fs.renameSync(at('schemas/ghost.schema.json'), at('schemas/g.schema.json')),
      /ghost\.schema\.json and 1 more changed/,
    ],
    [
      'a file of an older version came back with its old time',
      () => {
        fs.writeFileSync(at('src/main.ts'), 'the zeroth');
        fs.utimesSync(at('src/main.ts'), longAgo, longAgo);
      },
      /src\/main\.ts changed/,
    ],
    [
      'the version is another',
      () =>
        fs.writeFileSync(at('package.json'), fs.readFileSync(at('package.json'), 'utf8').replace('0.', '7.')),
      /package\.json changed/,
    ],
    [
      'package-lock.json names other packages',
      () =>
        fs.writeFileSync(
          at('package-lock.json'),
          JSON.stringify({ packages: { '': {}, 'node_modules/koffi': { version: '3.3.5' } } }),
        ),
      /npm ci: packages \(node_modules\/koffi is not the one in package-lock\.json\)/,
    ],
    ['what was made is gone', () => fs.rmSync(at('build/ghostkeep-hook')), /no build\/ghostkeep-hook/],
  ];
  for (const [what, change, said] of changes) {
    it(`install.sh in a source tree sees that ${what}`, () => {
      assert.deepEqual(setup('--check'), { status: 0, stderr: '' });
      change();
      const { status, stderr } = setup('--check');
      assert.equal(status, 1);
      assert.match(stderr, said);
    });
  }

  it('install.sh in a source tree builds nothing in a copy of the tree whose times are all different', () => {
    for (const name of fs.readdirSync(host.tree, { recursive: true, encoding: 'utf8' })) {
      if (/^(node_modules|native)/.test(name)) continue;
      const time = name.startsWith('build') || name.startsWith('dist') ? longAgo : new Date();
      fs.utimesSync(at(name), time, time);
    }
    assert.doesNotMatch(install(), /npm/);
  });

  it('install.sh in a source tree installs nothing of a failed build, also the second time', () => {
    install();
    fs.writeFileSync(at('src/main.ts'), 'the second');
    fs.writeFileSync(at('src/breaks'), '');
    for (let times = 0; times < 2; times += 1) {
      const { status, said } = host.run([]);
      assert.equal(status, 1, said);
      assert.match(said, /the build failed/);
      assert.equal(installed(), 'the first');
    }
    fs.rmSync(at('src/breaks'));
    install();
    assert.equal(installed(), 'the second');
  });

  it('install.sh in a source tree builds as the owner of the tree when root runs it, so that the owner can build again', t => {
    if (!needs(t, isRoot, 'root is needed to give a tree to another user')) return;
    const uid = 12345;
    fs.chmodSync(host.folder, 0o755);
    for (const name of fs.readdirSync(host.tree, { recursive: true, encoding: 'utf8' }))
      if (!/^node_modules./.test(name)) fs.lchownSync(at(name), uid, uid);
    fs.chownSync(host.tree, uid, uid);
    fs.writeFileSync(at('src/main.ts'), 'the second');
    install();
    assert.equal(installed(), 'the second');
    for (const name of ['build/.built', 'dist/built-from'])
      assert.equal(fs.statSync(at(name)).uid, uid, name);
    assert.equal(fs.statSync(host.at(builtFrom)).uid, 0);
    fs.writeFileSync(at('src/main.ts'), 'the third');
    const again = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: host.tree, uid, gid: uid });
    assert.equal(again.status, 0);
  });
});
