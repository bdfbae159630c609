/**
 * install.sh where a mount does not let it write, or start programs; and in the shells that people start it
 * with.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { InstallTree } from './install-tree.js';

const inEtc = '/etc/containers/oci/hooks.d';
const inUsr = '/usr/share/containers/oci/hooks.d';
const needsRoot = process.getuid?.() === 0 ? false : 'mounting needs root';

describe('install.sh', () => {
  let host: InstallTree;
  beforeEach(() => {
    host = new InstallTree();
  });
  afterEach(() => host.remove());

  it('install.sh works as `sh install.sh`, whatever shell sh is', () => {
    for (const shell of ['sh', 'dash']) {
      const { status, said } = host.run(['--help'], {}, { shell });
      assert.equal(status, 0, said);
      assert.match(said, /^usage: install\.sh/);
    }
    const { status, said } = host.run([], {}, { shell: 'sh' });
    assert.equal(status, 0, said);
    assert.ok(existsSync(host.at(`${inUsr}/ghostkeep-prestart.json`)));
  });

  it('install.sh works in a bash that runs in POSIX mode', () => {
    const { status, said } = host.run([], { POSIXLY_CORRECT: '1' });
    assert.equal(status, 0, said);
  });

  it('install.sh says that bash is needed where there is none', () => {
    const { status, stderr } = spawnSync('/bin/dash', [path.join(host.tree, 'install.sh')], {
      env: { PATH: '/no/such' },
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /^install\.sh: bash is missing.*apt-get install bash\)\n$/);
  });

  describe('when /usr is read-only', { skip: needsRoot }, () => {
    const elsewhere = { PREFIX: '/opt/it', CRIU_LIBS_DIR: '/var/criu' };
    let readOnly: { before: string };
    beforeEach(() => {
      mkdirSync(host.at('/usr'), { recursive: true });
      mkdirSync(host.at('/var/criu'), { recursive: true });
      const usr = host.at('/usr');
      readOnly = { before: `mount --bind ${usr} ${usr}; mount -o remount,bind,ro ${usr}` };
    });

    it('when /usr is read-only, install.sh puts the hooks.d files into /etc, and --check and --uninstall find them there', () => {
      const { status, said } = host.run([], elsewhere, readOnly);
      assert.equal(status, 0, said);
      assert.match(said, /^install\.sh: hooks\.d: \/etc\/containers\/oci\/hooks\.d$/m);
      const check = host.run(['--check'], elsewhere, readOnly);
      assert.equal(check.status, 0, check.said);
      const poststop =
        /^ok +hooks\.d: \/etc\/containers\/oci\/hooks\.d\/ghostkeep-poststop\.json, stage poststop$/m;
      assert.match(check.said, poststop);
      assert.doesNotMatch(check.said, /hides ours/);
      const again = host.run([], elsewhere);
      assert.equal(again.status, 0, 'it stays there when /usr can be written again');
      assert.ok(existsSync(host.at(`${inEtc}/ghostkeep-prestart.json`)));
      assert.ok(!existsSync(host.at(inUsr)));
      assert.equal(host.run(['--uninstall'], elsewhere, readOnly).status, 0);
      assert.deepEqual(Object.keys(host.snapshot()).sort(), ['usr', 'var', 'var/criu']);
    });

    for (const [variable, environment] of [
      ['PREFIX', { ...elsewhere, PREFIX: '' }],
      ['HOOKS_D', { ...elsewhere, HOOKS_D: inUsr }],
      ['CRIU_LIBS_DIR', { ...elsewhere, CRIU_LIBS_DIR: '' }],
    ] as const) {
      it(`when /usr is read-only and a file cannot go elsewhere, install.sh names ${variable} and leaves no file`, () => {
        const { status, said } = host.run([], environment, readOnly);
        assert.equal(status, 1, said);
        const place = host.at('/usr');
        assert.match(
          said,
          new RegExp(`: ${place} is mounted read-only; name another place with ${variable}`),
        );
        assert.deepEqual(Object.keys(host.snapshot()).sort(), ['usr', 'var', 'var/criu']);
      });
    }
  });

  it('install.sh puts the hooks.d files where HOOKS_D says, and moves them when HOOKS_D changes', () => {
    assert.equal(host.run([], { HOOKS_D: '/opt/hooks.d' }).status, 0);
    assert.ok(existsSync(host.at('/opt/hooks.d/ghostkeep-prestart.json')));
    assert.equal(host.run(['--check']).status, 0);
    assert.equal(host.run([], { HOOKS_D: inUsr }).status, 0);
    assert.ok(!existsSync(host.at('/opt/hooks.d/ghostkeep-prestart.json')));
    assert.match(
      readFileSync(host.at('/usr/local/lib/ghostkeep/installed'), 'utf8'),
      /usr\/share\/containers/,
    );
    assert.match(host.run([], { HOOKS_D: 'here' }).said, /HOOKS_D must be an absolute path/);
  });

  describe('when PREFIX is on a mount with noexec', { skip: needsRoot }, () => {
    // If it should install after all, it must not change this machine: /etc and /usr/share are empty there.
    const prepare = (prefix: string) =>
      ['/etc', '/usr/share', prefix]
        .map(place => `mount -t tmpfs -o ${place === prefix ? 'noexec,mode=755' : 'mode=755'} none ${place}`)
        .join('; ');

    it('when PREFIX is on a mount with noexec, install.sh refuses, and gives the mount option as the reason', () => {
      const [prefix, criu] = [path.join(host.folder, 'prefix'), path.join(host.folder, 'criu')];
      mkdirSync(prefix);
      mkdirSync(criu);
      const environment = { DESTDIR: '', CC: 'gcc', PREFIX: prefix, CRIU_LIBS_DIR: criu };
      const { status, said } = host.run([], environment, { before: prepare(prefix) });
      assert.equal(status, 1, said);
      assert.match(
        said,
        new RegExp(`cannot install below PREFIX=${prefix}: ${prefix} is mounted with noexec`),
      );
      assert.match(said, /choose another PREFIX, or run: mount -o remount,exec/);
    });

    it('install.sh --check says that the mount option noexec is the reason why the hook does not run', () => {
      assert.equal(host.run([]).status, 0);
      const place = host.at('/usr/local');
      const before = `mount --bind ${place} ${place}; mount -o remount,bind,noexec ${place}`;
      const { status, said } = host.run(['--check'], {}, { before });
      assert.equal(status, 1, said);
      for (const part of ['hook', 'library'])
        assert.match(said, new RegExp(`^FAIL +${part}: .*: ${place} is mounted with noexec`, 'm'));
    });
  });
});
