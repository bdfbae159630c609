/** `ghostkeep scan` as somebody meets it whose disk is full and whose du does not say why. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDocument } from '../../src/base/documents/document.js';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { command, ghostFile, ghostkeep, isRoot, needs, publicProgram, temporaryFolder } from './ghostkeep.js';

const own = ['scan', '--pid', String(process.pid)];
const rows = (stdout: string) => stdout.split('\n').filter(line => / \/.*\/gk-/.test(line));
const shown = (...args: string[]) => {
  const { status, stdout, stderr } = ghostkeep([...own, ...args]);
  assert.equal(status, 0, stderr);
  return stdout;
};

/**
 * The first takes 1 MiB of disk, the second takes 64 KiB and seems to be the largest, the third takes a
 * single block.
 */
function threeGhosts(t: TestContext): void {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'small', 'x');
  ghostFile(t, folder, 'large', Buffer.alloc(1 << 20, 1));
  fs.ftruncateSync(ghostFile(t, folder, 'sparse', Buffer.alloc(1 << 16, 1)), 1 << 30);
}
const order = (stdout: string) => rows(stdout).map(row => row.replace(/.*\//, ''));

describe('scan', () => {
  it('when scan lists ghosts, those that take most room come first, or what --sort says', t => {
    threeGhosts(t);
    assert.deepEqual(order(shown()), ['large', 'sparse', 'small']);
    assert.deepEqual(order(shown('--sort', 'size')), ['sparse', 'large', 'small']);
    assert.deepEqual(order(shown('--sort', 'path')), ['large', 'small', 'sparse']);
  });

  it('when --min-size and --kept-by leave ghosts out, scan says how many and how large they are', t => {
    threeGhosts(t);
    const large = shown('--min-size', '60K');
    assert.deepEqual(order(large), ['large', 'sparse']);
    assert.match(large, /^2 ghosts, 1\.1 MiB allocated; 1 ghost more with 4 KiB not shown$/m);
    assert.match(shown('--kept-by', 'criu', '--kept-by', 'no'), /^0 ghosts, .*; 3 ghosts more/m);
    const json = JSON.parse(shown('--min-size', '60K', '--json')) as Scan;
    assertDocument<Scan>('Scan', json, 'stdout', 'BAD_INPUT');
    assert.deepEqual([json.ghosts.length, json.filtered], [2, { ghosts: 1, allocated: 4096 }]);
  });

  it('when --top is given, scan lists only the first ghosts, and the totals are those of all', t => {
    threeGhosts(t);
    const top = shown('--top', '1');
    assert.deepEqual(order(top), ['large']);
    assert.match(top, /^1 ghost, 1 MiB allocated; 2 ghosts more with 68 KiB not shown$/m);
    assert.deepEqual(order(shown('--top', '2', '--sort', 'path')), ['large', 'small']);
    const json = JSON.parse(shown('--top', '1', '--json')) as Scan;
    assertDocument<Scan>('Scan', json, 'stdout', 'BAD_INPUT');
    assert.deepEqual(json.filtered, { ghosts: 2, allocated: 68 << 10 });
    assert.deepEqual(
      [json.processes?.[0]?.ghosts, json.processes?.[0]?.allocated],
      [3, (1 << 20) + (68 << 10)],
    );
    assert.match(ghostkeep([...own, '--top', '1', '--metrics', '/x.prom']).stderr, /--metrics counts all/);
    for (const wrong of ['0', '-1', 'x']) assert.equal(ghostkeep([...own, '--top', wrong]).status, 2, wrong);
  });

  it('when the gate is nowhere, scan says so, and where CRIU_LIBS_DIR has the gate, scan does not', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'small', 'x');
    const scan = (libraries: string) =>
      ghostkeep(own, { env: { ...process.env, CRIU_LIBS_DIR: libraries } as Record<string, string> }).stdout;
    const isInstalled = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/usr/local/lib64'].some(each =>
      fs.existsSync(`${each}/criu/ghostkeep.so`),
    );
    const says = /^no gate of ghostkeep was found on this host: .*ghostkeep doctor/m;
    assert.equal(says.test(scan(folder)), !isInstalled);
    fs.writeFileSync(`${folder}/ghostkeep.so`, '');
    assert.doesNotMatch(scan(folder), says);
  });

  it('the row of a ghost has the path below /proc by which somebody can empty the file', t => {
    const fd = ghostFile(t, temporaryFolder(t), 'log', Buffer.alloc(1 << 20, 1));
    const [, holder = ''] = / (\d+\/fd\/\d+) /.exec(rows(shown()).join('\n')) ?? [];
    assert.equal(holder, `${process.pid}/fd/${fd}`);
    assert.equal(spawnSync('sh', ['-c', `: > /proc/${holder}`]).status, 0);
    assert.equal(fs.fstatSync(fd).size, 0);
  });

  it('when a ghost has 300 holders, three are named and the others are counted', async t => {
    const fd = ghostFile(t, temporaryFolder(t), 'lock', 'x');
    const stdio = ['ignore' as const, ...Array.from({ length: 299 }, () => fd)];
    const child = spawn('sleep', ['60'], { stdio });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    const both = ['scan', '--pid', String(child.pid), '--pid', String(process.pid)];
    const [row = ''] = rows(ghostkeep(both).stdout);
    assert.match(row, / (\d+\/fd\/\d+ ){3}and 297 more /);
    assert.match(row, / (node|MainThread|bun|sleep) \+1 /);
    assert.ok(row.length < 200, row);
    const { ghosts } = JSON.parse(ghostkeep([...both, '--json']).stdout) as Scan;
    assert.equal(ghosts[0]?.holders.length, 300);
  });

  it('when stdout is a terminal, no line of scan is wider than it, and the end of a path stays', t => {
    if (!needs(t, spawnSync('script', ['--version']).status === 0, 'script(1) is not installed')) return;
    const deep = `${temporaryFolder(t)}/${'deep/'.repeat(20)}`;
    fs.mkdirSync(deep, { recursive: true });
    ghostFile(t, deep, 'the-end', 'x');
    for (const width of [60, 80, 132]) {
      const words = [...command, ...own].map(word => `'${word}'`).join(' ');
      const { stdout } = spawnSync('script', ['-qec', `stty cols ${width}; ${words}`, '/dev/null'], {
        encoding: 'utf8',
      });
      const lines = stdout.split('\r\n');
      assert.ok(
        lines.every(line => line.length <= width),
        `${width}:\n${stdout}`,
      );
      assert.match(stdout, /….*\/the-end\r/);
    }
    assert.match(shown(), / \/\S*\/(deep\/){20}the-end\n/);
  });

  it('when scan watches, it shows ghosts that have come meanwhile, and ends when nobody reads any more', async t => {
    const folder = temporaryFolder(t);
    const child = spawn(command[0], [...command.slice(1), ...own, '--watch'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const until = async (isThere: () => boolean) => {
      for (let waits = 0; !isThere(); waits += 1) {
        if (waits > 1000 || child.exitCode !== null) throw new Error(`it showed only:\n${text}`);
        await sleep(20);
      }
    };
    await until(() => /\d+ ghosts?,/.test(text));
    assert.doesNotMatch(text, /came-later/);
    ghostFile(t, folder, 'came-later', 'x');
    await until(() => text.includes('came-later'));
    const ended = once(child, 'exit');
    child.stdout.destroy();
    assert.deepEqual(await ended, [0, null]);
  });
});

/** Makes a cgroup in the first hierarchy that there is, and in it a process that holds a ghost of 1 MiB. */
async function inCgroup(t: TestContext, name: string): Promise<number> {
  const roots = ['', '/unified', '/pids', '/systemd'].map(each => `/sys/fs/cgroup${each}`);
  const root = roots.find(each => fs.existsSync(`${each}/cgroup.procs`)) ?? '';
  const cgroup = `${root}/${name}`;
  const folder = temporaryFolder(t);
  const fd = ghostFile(t, folder, 'ghost', Buffer.alloc(1 << 20, 1));
  fs.mkdirSync(cgroup);
  const child = spawn('sleep', ['60'], { stdio: ['ignore', fd] });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    fs.rmdirSync(cgroup);
  });
  fs.writeFileSync(`${cgroup}/cgroup.procs`, String(child.pid));
  return child.pid as number;
}

describe('scan by container', { skip: isRoot ? false : 'cgroups and mounts need root' }, () => {
  it('when podman has noted a name, scan chooses the container by that name, and gives it a total of its own', async t => {
    const id = `${String(process.pid).padStart(8, '0')}${'0123456789abcdef'.repeat(3)}01234567`;
    const pid = await inCgroup(t, `libpod-${id}.scope`);
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/storage/overlay-containers`, { recursive: true });
    const record = JSON.stringify([{ id, names: ['shop'] }]);
    fs.writeFileSync(`${folder}/storage/overlay-containers/containers.json`, record);
    // Only this command sees the record: it gets a mount namespace of its own.
    const script = 'mkdir -p /var/lib/containers && mount --bind "$0" /var/lib/containers && exec "$@"';
    const scan = (...args: string[]) =>
      spawnSync('unshare', ['--mount', 'sh', '-c', script, folder, ...command, 'scan', ...args], {
        encoding: 'utf8',
      });
    for (const chosen of [
      ['--container', 'shop'],
      ['--container', id],
      ['--container', id.slice(0, 12)],
      [
        '--cgroup',
        fs
          .readFileSync(`/proc/${pid}/cgroup`, 'utf8')
          .split('\n')
          .find(line => line.includes(id)) ?? '',
      ],
      ['--cgroup', `libpod-${id}.scope`],
    ]) {
      const { status, stdout, stderr } = scan(...chosen);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^ *1 MiB +1 MiB +shop +sleep +/m);
      assert.match(stdout, new RegExp(`^ +1 MiB +1 +${id.slice(0, 12)} +shop$`, 'm'));
    }
    const json = JSON.parse(scan('--container', 'shop', '--json').stdout) as Scan;
    assert.deepEqual(json.processes, [
      { pid, command: 'sleep', container: id, ghosts: 1, allocated: 1 << 20 },
    ]);
    assert.deepEqual(json.containers, [{ id, name: 'shop', ghosts: 1, allocated: 1 << 20 }]);
    // Without the record, only the id of the container is known.
    assert.match(ghostkeep(['scan', '--pid', String(pid)]).stdout, new RegExp(` ${id.slice(0, 12)} +sleep `));
  });
});

describe('scan by somebody without rights', { skip: isRoot ? false : 'setpriv needs root' }, () => {
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

  it('scan by a user without rights says how many processes it could not look at, and that root can', t => {
    const at = publicProgram(t);
    const { stdout } = spawnSync(nobody[0] as string, [...nobody.slice(1), process.execPath, at, 'scan'], {
      encoding: 'utf8',
      cwd: '/',
    });
    assert.match(
      stdout,
      /^not looked at, because permission is denied: \d+ process(es)? \(1.*\); run it as root to see them$/m,
    );
  });

  it('scan by a user without rights says that /proc hides processes, where it is mounted with hidepid', t => {
    const at = publicProgram(t);
    // The shell stays process 1, which belongs to root.
    const script = 'mount -o remount,hidepid=2 /proc && "$@"; exit $?';
    const words = ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', script, 'sh', ...nobody];
    const scan = (...args: string[]) =>
      spawnSync('unshare', [...words, process.execPath, at, 'scan', ...args], { encoding: 'utf8', cwd: '/' });
    const { status, stdout, stderr } = scan();
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^processes of other users are hidden, because \/proc is mounted with hidepid=(2|invisible); run it as root to see them$/m,
    );
    assert.match((JSON.parse(scan('--json').stdout) as Scan).hidden ?? '', /^hidepid=/);
    assert.doesNotMatch(ghostkeep(['scan']).stdout, /hidepid/);
  });
});
