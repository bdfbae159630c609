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
const ofTheOlder = '/usr/lib/ghostkeep/dist/of-0.0.1.txt';
const emulator = path.join(top, 'test/native/aarch64/emulator');

/** A criu of version 3.17, as Debian 12 has it: it has a plugin directory and no hook for the gate. */
const oldCriu = `printf 'const char d[] = "/usr/lib/criu/"; char cr_plugin_ctl[16 * 12]; int main(void) { return !d[0]; }' |
  cc -x c -rdynamic -o /usr/sbin/criu - && mkdir -p /usr/lib/criu`;

/** The commands of docs/install.md, without what it says of them. */
const commands = (
  /run by test\/scenario\/packages\.test\.ts -->\n```sh\n(.*?)```/s.exec(
    readFileSync(path.join(top, 'docs/install.md'), 'utf8'),
  )?.[1] ?? ''
)
  .split('\n')
  .map(line => line.replace(/\s+#.*/, ''));

describe('the packages', { skip: whyNot() ?? false }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-package-'));
  const tree = new PackageTree();
  let made: string[];
  /** Runs a command that docs/install.md shows, with another folder for what it makes. */
  const build = (shown: string, ...more: string[]) => {
    const words = shown.includes(' -- ') ? more : ['--', ...more];
    const line = [shown.replace('npm run', 'npm run --silent'), ...words, '--out', folder].join(' ');
    return execFileSync('sh', ['-c', line], { cwd: top, encoding: 'utf8' }).trim().split('\n');
  };
  before(async () => {
    made = build(commands[0] as string);
    execFileSync(path.join(top, 'test/older-packages'), [made[0] as string, `${folder}/older`], {
      stdio: 'pipe',
    });
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
    // zsh reads another folder on Debian than elsewhere.
    const asOnDebian = inRpm.replaceAll('/zsh/site-functions', '/zsh/vendor-completions');
    const debsOwn = /\/(lintian|changelog\.Debian\.gz|copyright)/;
    const entries = inDeb.toString().replaceAll(/^\./gm, '').split('\n');
    const folders = new Set(entries.filter(name => name.endsWith('/')).map(name => name.slice(0, -1)));
    const filesOf = (names: string[]) =>
      names.filter(name => name !== '' && !folders.has(name.replace(/\/$/, '')) && !debsOwn.test(name));
    assert.deepEqual(filesOf(asOnDebian.split('\n')).toSorted(), filesOf(entries).toSorted());
  });

  it('the .deb installs, upgrades, is removed and purged with dpkg, and leaves nothing', () => {
    const first = files();
    tree.ok('dpkg -i /tmp/packages/older/ghostkeep_0.0.1-1_amd64.deb');
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    tree.ok(`echo '{"limit": "1G"}' >/etc/ghostkeep/config.json`);
    assert.match(tree.ok(`dpkg --force-confold -i /tmp/packages/ghostkeep_${version}-1_amd64.deb`), /inert/);
    assert.match(tree.ok('cat /etc/ghostkeep/config.json'), /1G/);
    assert.equal(tree.run(`test -e ${ofTheOlder}`).status, 1);
    assert.equal(tree.ok('env -i /usr/bin/ghostkeep --version').trim(), `ghostkeep ${version}`);
    tree.ok('dpkg -r ghostkeep');
    assert.equal(tree.run(`test -e ${gate} -o -L ${gate}`).status, 1);
    assert.match(tree.ok('cat /etc/ghostkeep/config.json'), /1G/);
    tree.ok('dpkg -P ghostkeep');
    assert.equal(files(), first);
  });

  it("logrotate reads the file of the package with Debian's own settings, and the purge takes what it rotated", () => {
    const first = files();
    tree.ok(`dpkg -i /tmp/packages/ghostkeep_${version}-1_amd64.deb`);
    tree.ok(
      'cd /var/log && touch ghostkeep.log ghostkeep.log.1 ghostkeep.log.2.gz ghostkeep.log-20260101 ghostkeep.log.old',
    );
    const said = tree.ok('logrotate -d /etc/logrotate.conf 2>&1');
    assert.match(said, /reading config file ghostkeep\n/);
    assert.doesNotMatch(said, /^error/m);
    assert.match(said, /rotating pattern: \/var\/log\/ghostkeep\.log +monthly \(6 rotations\)/);
    tree.ok('dpkg -P ghostkeep');
    assert.equal(tree.ok('ls /var/log | grep ghostkeep || true'), '');
    assert.equal(files(), first);
  });

  it('when a criu comes later, reads another directory for plugins, or goes, the packages follow', () => {
    const follow = () => tree.ok('dpkg-trigger --no-await /usr/sbin/criu && dpkg --configure --pending');
    tree.ok('mv /usr/sbin/criu /usr/sbin/criu.away');
    const install = (commands[2] as string).replace('build/packages', '/tmp/packages');
    assert.match(tree.ok(`sudo() { "$@"; }; ${install}`), /no criu found/);
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

  it('the .rpm is upgraded from an older version, and the settings stay as the user has changed them', () => {
    tree.ok('rpm --initdb');
    const first = files();
    const config = '/etc/ghostkeep/config.json';
    tree.ok('rpm -i --nodeps /tmp/packages/older/ghostkeep-0.0.1-1.x86_64.rpm');
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    tree.ok(`test -e ${ofTheOlder} && echo '{"limit": "1G"}' >${config}`);
    tree.ok(`rpm -U --nodeps /tmp/packages/ghostkeep-${version}-1.x86_64.rpm`);
    assert.equal(tree.ok('rpm -q ghostkeep').trim(), `ghostkeep-${version}-1.x86_64`);
    assert.equal(tree.ok(`cat ${config}`), '{"limit": "1G"}\n');
    assert.equal(tree.ok(`cat ${config}.rpmnew`), '{}\n');
    assert.equal(tree.run(`test -e ${ofTheOlder}`).status, 1);
    assert.equal(tree.ok(`readlink ${gate}`).trim(), carried);
    const changed = tree.run('rpm -V --nodeps ghostkeep').said;
    assert.match(changed, /^S\.5\S* +c \/etc\/ghostkeep\/config\.json\n$/);
    assert.equal(tree.ok('env -i /usr/bin/ghostkeep --version').trim(), `ghostkeep ${version}`);
    tree.ok('rpm -e --nodeps ghostkeep');
    assert.equal(tree.ok(`cat ${config}.rpmsave`), '{"limit": "1G"}\n');
    tree.ok(`rm ${config}.rpmsave ${config}.rpmnew && rmdir /etc/ghostkeep`);
    assert.equal(files(), first);
  });

  it('an .rpm whose settings nobody has changed brings new ones, and is erased without a rest', () => {
    const first = files();
    tree.ok('rpm -i --nodeps /tmp/packages/older/ghostkeep-0.0.1-1.x86_64.rpm');
    tree.ok(`rpm -U --nodeps /tmp/packages/ghostkeep-${version}-1.x86_64.rpm`);
    assert.equal(tree.run('rpm -V --nodeps ghostkeep').said, '');
    tree.ok('rpm -e --nodeps ghostkeep');
    assert.equal(files(), first);
  });

  it('the .rpm says what it needs, what its scripts do, and whose its files are', () => {
    const ask = (...args: string[]) =>
      execFileSync('rpm', ['-qp', ...args, made[1] as string], { encoding: 'utf8' }).trimEnd();
    const needed = new Set(ask('--requires').split('\n'));
    const own = [...needed].filter(name => !name.startsWith('rpmlib('));
    const inDeb = execFileSync('dpkg-deb', ['-f', made[0] as string, 'Depends'], { encoding: 'utf8' });
    const glibc = /libc6 \(>= (2\.\d+)\)/.exec(inDeb)?.[1];
    assert.deepEqual(own.toSorted(), ['/bin/sh', 'bash', `libc.so.6(GLIBC_${glibc})(64bit)`]);
    assert.equal(ask('--recommends'), 'criu >= 4.0');
    const follow = 'bash /usr/lib/ghostkeep/install/follow-criu.sh';
    assert.equal(
      ask('--scripts', '--triggers'),
      [
        'postinstall scriptlet (using /bin/sh):',
        follow,
        'preuninstall scriptlet (using /bin/sh):',
        `[ "$1" != 0 ] || ${follow} --remove`,
        'triggerin scriptlet (using /bin/sh) -- criu',
        follow,
        'triggerpostun scriptlet (using /bin/sh) -- criu',
        `[ "$1" = 0 ] || ${follow}`,
      ].join('\n'),
    );
    const format = '[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]';
    const listed = ask('--qf', format).split('\n');
    const odd = listed.filter(
      line => !/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x|lrwxrwxrwx) root:root /.test(line),
    );
    assert.deepEqual(odd, []);
    const settings = listed.filter(line => / \/etc\/.*[^/]$/.test(line) && !line.startsWith('d'));
    assert.deepEqual(settings, [
      '-rw-r--r-- root:root cn /etc/ghostkeep/config.json',
      '-rw-r--r-- root:root cn /etc/logrotate.d/ghostkeep',
    ]);
    for (const program of ['bin/ghostkeep', 'lib/ghostkeep/build/ghostkeep', 'libexec/ghostkeep/hook'])
      assert.ok(listed.includes(`-rwxr-xr-x root:root  /usr/${program}`), program);
    const folders = listed.filter(line => line.startsWith('d')).map(line => line.split(' ').at(-1));
    for (const folder of ['/etc/ghostkeep', '/usr/lib/ghostkeep', '/usr/share/containers/oci/hooks.d'])
      assert.ok(folders.includes(folder), `the package does not own ${folder}`);
    assert.equal(ask('--qf', '%{LICENSE} %{ARCH} %{NAME}-%{VERSION}'), `MIT x86_64 ghostkeep-${version}`);
  });

  it('the packages are made for arm64 as well, and the program starts in an emulator', () => {
    const [deb = ''] = build(commands[1] as string, '--format', 'deb');
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
  const missing = ['dpkg-deb', 'rpmbuild', 'lintian', 'logrotate', 'aarch64-linux-gnu-gcc'].filter(
    name => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  if (missing.length > 0 && process.env.CI === undefined) return `needs ${missing.join(' and ')}`;
  return undefined;
}
