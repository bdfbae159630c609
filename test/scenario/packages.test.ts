import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRoot } from './ghostkeep.js';
import { PackageTree } from './package-tree.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(path.join(top, 'package.json'), 'utf8'));
const gate = '/usr/lib/criu/ghostkeep.so';
const carried = '/usr/lib/ghostkeep/build/ghostkeep.so';
const emulator = path.join(top, 'test/native/aarch64/emulator');

/** A criu of version 3.17, as Debian 12 has it: it has a plugin directory and no hook for the gate. */
const oldCriu = `printf 'const char d[] = "/usr/lib/criu/"; char cr_plugin_ctl[16 * 12]; int main(void) { return !d[0]; }' |
  cc -x c -rdynamic -o /usr/sbin/criu - && mkdir -p /usr/lib/criu`;

/** A script that makes the same package under an older version, to upgrade from. */
const olderVersion = `set -e
folder=$(mktemp -d)
dpkg-deb -R "$1" "$folder/tree"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$folder/tree/DEBIAN/control"
dpkg-deb -Zxz -z0 -b "$folder/tree" "$2" >/dev/null
rm -r "$folder"`;

describe('the packages', { skip: whyNot() ?? false }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-package-'));
  const tree = new PackageTree();
  let made: string[];
  const build = (...args: string[]) =>
    execFileSync('bash', ['packaging/build', '--out', folder, ...args], { cwd: top, encoding: 'utf8' })
      .trim()
      .split('\n');
  before(async () => {
    made = build();
    execFileSync('sh', ['-c', olderVersion, 'sh', made[0] as string, path.join(folder, 'older.deb')]);
    await tree.mount(folder);
    tree.ok(oldCriu);
  });
  after(() => {
    tree.remove();
    rmSync(folder, { recursive: true });
  });

  const ours = `\\( -name '*ghostkeep*' -o -path '*/criu/*' \\) -not -path '/var/lib/dpkg/*'`;
  const files = () => tree.ok(`find /usr /etc /var/lib -xdev ${ours} | sort`);

  it('the packages are a .deb without errors for lintian, and an .rpm with the same files', () => {
    assert.deepEqual(
      made.map(file => path.basename(file)),
      [`ghostkeep_${version}-1_amd64.deb`, `ghostkeep-${version}-1.x86_64.rpm`],
    );
    const { status, stdout } = spawnSync(
      'lintian',
      ['--allow-root', '--fail-on', 'error', made[0] as string],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(status, 0, stdout);
    const inDeb = execFileSync('sh', [
      '-c',
      'dpkg-deb --fsys-tarfile "$1" | tar -t',
      'sh',
      made[0] as string,
    ]);
    const inRpm = execFileSync('rpm', ['-qpl', made[1] as string], { encoding: 'utf8' });
    const debsOwn = /\/(lintian|changelog\.Debian\.gz|copyright)/;
    const entries = inDeb.toString().replaceAll(/^\./gm, '').split('\n');
    const folders = new Set(entries.filter(name => name.endsWith('/')).map(name => name.slice(0, -1)));
    const filesOf = (names: string[]) =>
      names.filter(name => name !== '' && !folders.has(name.replace(/\/$/, '')) && !debsOwn.test(name));
    assert.deepEqual(filesOf(inRpm.split('\n')).toSorted(), filesOf(entries).toSorted());
  });

  it('the .deb installs, upgrades, is removed and purged with dpkg, and leaves nothing', () => {
    const first = files();
    tree.ok('dpkg -i /tmp/packages/older.deb');
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    tree.ok(`echo '{"limit": "1G"}' >/etc/ghostkeep/config.json`);
    assert.match(tree.ok(`dpkg --force-confold -i /tmp/packages/ghostkeep_${version}-1_amd64.deb`), /inert/);
    assert.match(tree.ok('cat /etc/ghostkeep/config.json'), /1G/);
    assert.equal(tree.ok('env -i /usr/bin/ghostkeep --version').trim(), `ghostkeep ${version}`);
    tree.ok('dpkg -r ghostkeep');
    assert.equal(tree.run(`test -e ${gate} -o -L ${gate}`).status, 1);
    assert.match(tree.ok('cat /etc/ghostkeep/config.json'), /1G/);
    tree.ok('dpkg -P ghostkeep');
    assert.equal(files(), first);
  });

  it('when a criu comes later, reads another directory for plugins, or goes, the packages follow', () => {
    const follow = () => tree.ok('dpkg-trigger --no-await /usr/sbin/criu && dpkg --configure --pending');
    tree.ok('mv /usr/sbin/criu /usr/sbin/criu.away');
    assert.match(tree.ok(`dpkg -i /tmp/packages/ghostkeep_${version}-1_amd64.deb`), /no criu found/);
    assert.equal(tree.run(`test -L ${gate}`).status, 1);
    tree.ok('mv /usr/sbin/criu.away /usr/sbin/criu');
    follow();
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    tree.ok(oldCriu.replaceAll('/usr/lib/criu', '/usr/lib64/criu'));
    follow();
    assert.equal(tree.run(`test -L ${gate}`).status, 1);
    assert.equal(tree.ok('readlink /usr/lib64/criu/ghostkeep.so').trim(), carried);
    tree.ok('dpkg -P ghostkeep');
    assert.equal(tree.run('test -L /usr/lib64/criu/ghostkeep.so').status, 1);
    tree.ok(oldCriu);
  });

  it('the .rpm installs, upgrades and is erased with rpm, and leaves nothing', () => {
    tree.ok('rpm --initdb');
    const first = files();
    const file = `/tmp/packages/ghostkeep-${version}-1.x86_64.rpm`;
    tree.ok(`rpm -i --nodeps ${file}`);
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    assert.equal(tree.ok('rpm -V --nodeps ghostkeep 2>/dev/null'), '');
    tree.ok(`echo '{"limit": "1G"}' >/etc/ghostkeep/config.json`);
    tree.ok(`rpm -U --force --nodeps ${file}`);
    assert.match(tree.ok('cat /etc/ghostkeep/config.json'), /1G/);
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    tree.ok('rpm -e --nodeps ghostkeep && rm -rf /etc/ghostkeep/config.json.rpmsave && rmdir /etc/ghostkeep');
    assert.equal(files(), first);
  });

  it('the packages are made for arm64 as well, and the program starts in an emulator', () => {
    const [deb = ''] = build('--arch', 'arm64', '--format', 'deb');
    assert.match(deb, /_arm64\.deb$/);
    const at = path.join(folder, 'arm64');
    execFileSync('dpkg-deb', ['-x', deb, at]);
    const run = (...args: string[]) =>
      execFileSync(execFileSync(emulator, { encoding: 'utf8' }).trim(), args, {
        encoding: 'utf8',
        timeout: 120_000,
        env: { QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu' },
      });
    const program = path.join(at, 'usr/lib/ghostkeep/build/ghostkeep');
    assert.equal(run(program, '--version').trim(), `ghostkeep ${version}`);
    assert.match(run(program, 'scan', '--pid', `${process.pid}`), /\d+ ghosts?/);
  });
});

function whyNot(): string | undefined {
  if (!isRoot) return 'needs root';
  if (process.arch !== 'x64') return 'the packages of this test are for x86_64';
  const missing = ['dpkg-deb', 'rpmbuild', 'lintian', 'aarch64-linux-gnu-gcc'].filter(
    name => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  if (missing.length > 0 && process.env.CI === undefined) return `needs ${missing.join(' and ')}`;
  return undefined;
}
