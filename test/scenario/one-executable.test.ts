/**
 * build/ghostkeep in a place where neither this source tree nor node_modules can be seen, and where other
 * users try to make it run their code: docs/decisions/0014-one-executable.md.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ghostFile, isRoot, launcher, needs, temporaryFolder } from './ghostkeep.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const parts = ['ghostkeep', 'koffi.node', 'libghostkeep.so', 'ghostkeep-hook', 'ghost-workload'];

interface Place {
  /** Holds build/ and hooks/. */
  folder: string;
  executable: string;
  /** A file that appears if code of another user runs. */
  mark: string;
}

/** The executable and what belongs to it, in a folder of its own; undefined where this machine has no Bun. */
function place(t: TestContext): Place | undefined {
  const built = path.join(top, 'build/ghostkeep');
  if (!needs(t, fs.existsSync(built), 'npm has no Bun for this machine')) return undefined;
  const folder = temporaryFolder(t);
  fs.mkdirSync(`${folder}/build`);
  for (const part of parts) fs.copyFileSync(path.join(top, 'build', part), `${folder}/build/${part}`);
  fs.cpSync(path.join(top, 'hooks'), `${folder}/hooks`, { recursive: true });
  fs.copyFileSync(path.join(top, 'package.json'), `${folder}/package.json`);
  return { folder, executable: `${folder}/build/ghostkeep`, mark: `${folder}/mark` };
}

interface Options {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
}

function run(command: readonly string[], { cwd = '/', env = {}, input = '' }: Options = {}) {
  const [file = '', ...args] = command;
  const { status, stdout, stderr } = spawnSync(file, args, {
    ...{ cwd, env, input, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 << 20 },
  });
  return { status, stdout, stderr };
}

/** Runs a command in a mount namespace in which the source tree is an empty folder. */
function apart(command: readonly string[]) {
  const hide = 'mount -t tmpfs none "$0" && ! test -e "$0/package.json" && exec "$@"';
  const shell = ['/bin/sh', '-c', hide, top];
  const { status, stdout, stderr } = run(
    ['unshare', '--mount', '--propagation', 'private', ...shell, ...command],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  );
  assert.equal(status, 0, `${command.join(' ')}: ${stderr}`);
  return stdout;
}

const markBy = (mark: string) => `require('node:fs').writeFileSync(${JSON.stringify(mark)}, 'ran');\n`;

describe('the executable', () => {
  it('the executable scans, dumps, verifies, restores and plays a runtime without a checkout and without node_modules', t => {
    const at = place(t);
    if (!at || !needs(t, isRoot, 'root is needed to hide the source tree')) return;
    const content = Buffer.concat([randomBytes(5000), Buffer.alloc(1 << 20), randomBytes(777)]);
    ghostFile(t, at.folder, 'the-ghost', content);
    const [pid, images] = [String(process.pid), `${at.folder}/images`];
    assert.match(apart([at.executable, 'scan', '--pid', pid]), /the-ghost/);
    apart([at.executable, 'dump', '--pid', pid, '-D', images, '--digest', '--allow-missing']);
    apart([at.executable, 'verify', '-D', images]);
    apart([at.executable, 'restore', '-D', images, '--to', `${at.folder}/restored`]);
    const restored = fs.readdirSync(`${at.folder}/restored`);
    assert.ok(restored.some(name => fs.readFileSync(`${at.folder}/restored/${name}`).equals(content)));
    assert.equal(JSON.parse(apart([at.executable, 'try-hooks', '--json'])).ok, true);
  });

  it('the executable loads koffi from the folder beside itself and from nowhere else', t => {
    const at = place(t);
    if (!at) return;
    fs.rmSync(`${at.folder}/build/koffi.node`);
    for (const folder of [at.folder, `${at.folder}/build`]) {
      const theirs = `${folder}/node_modules/koffi`;
      fs.mkdirSync(theirs, { recursive: true });
      fs.writeFileSync(`${theirs}/package.json`, '{"name": "koffi", "version": "3.3.4", "main": "index.js"}');
      fs.writeFileSync(`${theirs}/index.js`, markBy(at.mark));
    }
    const { status, stderr } = run([at.executable, 'scan', '--pid', String(process.pid)], {
      cwd: at.folder,
      env: { NODE_PATH: `${at.folder}/node_modules` },
    });
    assert.equal(status, 1);
    assert.match(stderr, /build\/koffi\.node.*\[NATIVE_MISSING\]\n$/);
    assert.ok(!fs.existsSync(at.mark), 'code of the working directory ran');
  });

  it('the executable opens no connection, starts no program and writes no file of its own, even when it crashes', t => {
    const at = place(t);
    if (!at || !needs(t, run(['/usr/bin/strace', '-V']).status === 0, 'strace is not installed')) return;
    const traced = (...command: string[]) => {
      const calls = 'trace=execve,execveat,socket,connect,openat,open,creat,memfd_create,mkdir,kill';
      const strace = ['/usr/bin/strace', '-f', '-qq', '-e', calls, '-o', `${at.folder}/trace`, '--'];
      const { status, stderr } = run([...strace, ...command], { env: { PATH: '/usr/bin:/bin' } });
      const [started = '', ...rest] = fs.readFileSync(`${at.folder}/trace`, 'utf8').split('\n');
      assert.match(started, /execve\(/);
      const made = rest.filter(line => /execve|socket|connect|O_CREAT|O_TMPFILE|creat|mkdir/.test(line));
      assert.deepEqual(made, [], stderr);
      return { status, stderr, trace: rest.join('\n') };
    };
    assert.equal(traced(at.executable, 'scan', '--pid', String(process.pid)).status, 0);
    // The stdin of the hook stays open, so the hook waits for the container's state until the signal comes.
    const crash = `"$0" hook prestart <"$1" & sleep 1; exec kill -SEGV $!`;
    execFileSync('mkfifo', [`${at.folder}/fifo`]);
    const holder = fs.openSync(`${at.folder}/fifo`, 'r+');
    try {
      const shell = ['-c', crash, at.executable, `${at.folder}/fifo`];
      const strace = `/usr/bin/strace -f -qq -e trace=execve,socket,connect -o ${at.folder}/crash --`.split(
        ' ',
      );
      const { stderr } = run([...strace, '/bin/sh', ...shell], { env: { PATH: '/usr/bin:/bin' } });
      const trace = fs.readFileSync(`${at.folder}/crash`, 'utf8');
      assert.match(stderr, /Segmentation fault/, 'it crashed');
      assert.match(trace, /killed by SIGSEGV/);
      assert.doesNotMatch(trace, /socket\(|connect\(|curl/);
    } finally {
      fs.closeSync(holder);
    }
  });

  it('the executable reads no settings from the folder in which it is started', t => {
    const at = place(t);
    if (!at) return;
    fs.writeFileSync(`${at.folder}/steal.js`, markBy(at.mark));
    fs.writeFileSync(`${at.folder}/bunfig.toml`, 'preload = ["./steal.js"]\n');
    for (const name of ['.env', '.env.local', '.env.production'])
      fs.writeFileSync(`${at.folder}/${name}`, `GHOSTKEEP_HOOK_LOG=${at.mark}\n`);
    const state = { ociVersion: '1.0.2', id: 'x', status: 'creating', pid: 1, bundle: at.folder };
    const input = JSON.stringify({ ...state, annotations: { 'io.ghostkeep.limit': 'much' } });
    const hook = [at.executable, 'hook', 'prestart'];
    assert.notEqual(run(hook, { cwd: at.folder, input }).status, 0, 'the annotation is refused');
    assert.ok(!fs.existsSync(at.mark));
    run(hook, { cwd: at.folder, input, env: { GHOSTKEEP_HOOK_LOG: at.mark } });
    assert.ok(fs.existsSync(at.mark), 'the variable would have been heeded');
  });

  it('the executable runs no code that its environment names when the hook starts it', t => {
    const at = place(t);
    if (!at) return;
    fs.writeFileSync(`${at.folder}/steal.js`, markBy(at.mark));
    const env = {
      BUN_BE_BUN: '1',
      BUN_OPTIONS: `--preload=${at.folder}/steal.js`,
      BUN_INSPECT_PRELOAD: `${at.folder}/steal.js`,
    };
    const state = { ociVersion: '1.0.2', id: 'x', status: 'creating', pid: 1, bundle: at.folder };
    const input = JSON.stringify({ ...state, annotations: { 'io.ghostkeep.limit': 'much' } });
    const { stderr } = run([launcher, 'prestart', at.executable, 'hook', 'prestart'], { env, input });
    assert.match(stderr, /io\.ghostkeep\.limit/);
    assert.ok(!fs.existsSync(at.mark));
    run([at.executable, '--version'], { env: { BUN_OPTIONS: env.BUN_OPTIONS } });
    assert.ok(fs.existsSync(at.mark), 'started otherwise it would have run');
  });

  it("the executable is not taken for the gate's helper once strip has made a plain Bun of it", t => {
    const at = place(t);
    if (!at) return;
    const build = `${at.folder}/native`;
    const make = (...args: string[]) => execFileSync('make', ['-s', ...args], { cwd: top, stdio: 'pipe' });
    make('-C', 'test/native/gate', `BUILD=${build}`, `${build}/host-12`);
    make('-C', 'native/gate', `BUILD=${build}`, `HELPER=${at.executable}`);
    const images = `${at.folder}/images`;
    fs.mkdirSync(images);
    const criu = () => run([`${build}/host-12`, `${build}/ghostkeep.so`, images, String(process.pid)]);
    assert.match(criu().stdout, /exit 0/, 'whole, it is taken');
    execFileSync('strip', [at.executable]);
    const { stdout } = criu();
    assert.match(stdout, /init failed/);
    assert.match(stdout, /the helper does not start: reinstall ghostkeep/);
  });
});
