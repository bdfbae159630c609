import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRoot } from './ghostkeep.js';
import { InstallTree } from './install-tree.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const files = [
  'dist/sbom.cdx.json',
  'dist/THIRD-PARTY-LICENSES.txt',
  'build/libghostkeep.so',
  'install.sh',
  'install/find.sh',
  'native/engine/Makefile',
  'LICENSE',
];

/**
 * The package as npm packs and installs it, run where this source tree cannot be seen. npm asks no registry:
 * koffi, an ordinary dependency, is packed from node_modules. npm runs no scripts, because many hosts do not
 * allow them.
 */
describe('the npm package', { skip: isRoot ? false : whyNot() }, () => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-npm-'));
  const prefix = path.join(folder, 'prefix');
  const home = path.join(prefix, 'lib/node_modules/ghostkeep');
  const tools = `${path.dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const tree = new InstallTree();
  const holder = holdGhost(folder);

  before(() => {
    const modules = ['koffi', ...prebuilt()].map(name => path.join(top, 'node_modules', name));
    npm(['pack', '--pack-destination', folder, top, ...modules]);
    const packed = fs.readdirSync(folder).filter(name => name.endsWith('.tgz'));
    assert.equal(packed.length, 1 + modules.length);
    npm(['install', '--global', '--prefix', prefix, '--offline', '--no-audit', ...packed]);
  });
  after(() => {
    holder.child.kill('SIGKILL');
    tree.remove();
    fs.rmSync(folder, { recursive: true });
  });

  function npm(args: string[]) {
    const { status, stdout, stderr } = spawnSync('npm', [...args, '--ignore-scripts', '--no-fund'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  }

  /** Runs a command in a mount namespace where the source tree is an empty folder. */
  function apart(command: string[], environment: Record<string, string> = {}) {
    const hidden = 'mount -t tmpfs none "$0" && ! test -e "$0/package.json" && exec "$@"';
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', hidden, top, ...command],
      { cwd: '/', env: { PATH: tools, TMPDIR: folder, ...environment }, encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  }
  const run = (...args: string[]) => apart([path.join(prefix, 'bin/ghostkeep'), ...args]);
  const runWell = (...args: string[]) => {
    const { status, stdout, stderr } = run(...args);
    assert.equal(status, 0, stderr);
    return stdout;
  };

  it('the npm package contains all that it needs, and the licences of everything that is bundled', () => {
    for (const file of files) assert.ok(fs.existsSync(path.join(home, file)), file);
  });

  it('the npm package scans, dumps, verifies and restores', () => {
    const pid = String(holder.child.pid);
    const images = path.join(folder, 'images');
    assert.match(runWell('--version'), /^ghostkeep \d/);
    assert.match(runWell('scan', '--pid', pid), /the-ghost/);
    runWell('dump', '--pid', pid, '-D', images, '--digest');
    runWell('verify', '-D', images);
    runWell('restore', '-D', images, '--to', path.join(folder, 'restored'));
    const [restored = ''] = fs.readdirSync(path.join(folder, 'restored'));
    assert.deepEqual(fs.readFileSync(path.join(folder, 'restored', restored)), holder.content);
  });

  it('the npm package plays a runtime with try-hooks', () => {
    assert.equal(JSON.parse(runWell('try-hooks', '--json')).ok, true);
  });

  const install = (args: string[] = [], environment: Record<string, string> = {}) => {
    const CRIU = tree.compileCriu(12);
    const { status, stdout, stderr } = apart(['bash', path.join(home, 'install.sh'), ...args], {
      DESTDIR: tree.root,
      CRIU,
      ...environment,
    });
    return { status, said: stdout + stderr };
  };

  it('the npm package is installed by its own install.sh, without a compiler', () => {
    const { status, said } = install([], { CC: 'no-such-compiler' });
    assert.equal(status, 0, said);
    assert.ok(fs.existsSync(tree.at('/usr/local/lib/ghostkeep/dist/sbom.cdx.json')));
    const check = install(['--check']);
    assert.equal(check.status, 0, check.said);
  });

  it('the npm package says on another kind of machine how to make the native part, and install.sh makes it', () => {
    const library = path.join(home, 'build/libghostkeep.so');
    const bytes = fs.readFileSync(library);
    bytes.writeUInt16LE(bytes.readUInt16LE(18) === 183 ? 62 : 183, 18);
    fs.writeFileSync(library, bytes);
    fs.rmSync(path.join(home, 'build/ghost-workload'));
    const { status, stderr } = run('scan', '--pid', String(process.pid));
    assert.equal(status, 1);
    assert.match(stderr, /another kind of machine .*`make -B -C .*\/native` .*\[NATIVE_MISSING\]\n$/);
    assert.match(install([], { CC: 'no-such-compiler' }).said, /needs cc and make/);
    const { status: installed, said } = install();
    assert.equal(installed, 0, said);
    assert.equal(JSON.parse(runWell('try-hooks', '--json')).ok, true);
  });

  it('the npm package loads no library from the project in which it is installed', () => {
    const at = path.join(folder, 'project');
    const inner = path.join(at, 'node_modules/ghostkeep');
    fs.mkdirSync(path.join(at, 'build'), { recursive: true });
    fs.writeFileSync(path.join(at, 'build/libghostkeep.so'), 'theirs');
    fs.cpSync(home, inner, { recursive: true });
    fs.rmSync(path.join(inner, 'build/libghostkeep.so'));
    const { stderr } = apart([process.execPath, path.join(inner, 'dist/ghostkeep.mjs'), 'scan']);
    assert.match(stderr, /it is not beside the program/);
  });

  it('the npm package is packed from the current sources', () => {
    const source = new InstallTree();
    try {
      source.addSources();
      fs.writeFileSync(path.join(source.tree, 'src/main.ts'), 'the second');
      const packed = spawnSync('npm', ['pack', '--pack-destination', source.folder], {
        cwd: source.tree,
        encoding: 'utf8',
      });
      assert.equal(packed.status, 0, packed.stderr);
      const [name = ''] = fs.readdirSync(source.folder).filter(file => file.endsWith('.tgz'));
      const { stdout } = spawnSync('tar', [
        '-xOf',
        path.join(source.folder, name),
        'package/dist/built-from',
      ]);
      assert.equal(String(stdout), 'the second');
    } finally {
      source.remove();
    }
  });
});

function whyNot(): string {
  const reason = 'root is needed to hide the source tree';
  if (process.env['CI'] === 'true') throw new Error(`under CI nothing may be skipped: ${reason}`);
  return reason;
}

function prebuilt(): string[] {
  const names = fs.readdirSync(path.join(top, 'node_modules/@koromix'));
  return names.map(name => `@koromix/${name}`);
}

/** A stopped process whose stdin is a file without a name. */
function holdGhost(folder: string): { child: ChildProcess; content: Buffer } {
  const file = path.join(folder, 'the-ghost');
  const content = Buffer.concat([randomBytes(5000), Buffer.alloc(1 << 20), randomBytes(777)]);
  fs.writeFileSync(file, content);
  const fd = fs.openSync(file, 'r+');
  fs.rmSync(file);
  const child = spawn('sleep', ['600'], { stdio: [fd, 'ignore', 'ignore'] });
  fs.closeSync(fd);
  child.kill('SIGSTOP');
  return { child, content };
}
