/** `ghostkeep dump --freeze`: processes are frozen while they are copied, and go on whatever happens. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, ghostFile, isRoot, temporaryFolder } from './ghostkeep.js';

/**
 * Two counters, parent and child, that write the same number into two files, one after the other. In a copy
 * of one moment they differ by one at most.
 */
const counters = 'i=0; while :; do i=$((i+1)); echo $i >>/dev/fd/3; echo $i >>/dev/fd/4; done & wait';

class Case {
  readonly folder: string;
  readonly #namespace: ChildProcess;
  readonly child: ChildProcess;

  /** Each case has a /run of its own, so that no other test's command thaws what is frozen here. */
  private constructor(t: TestContext, folder: string, namespace: ChildProcess, fds: readonly number[]) {
    this.folder = folder;
    this.#namespace = namespace;
    this.child = spawn('sh', ['-c', counters], {
      stdio: ['ignore', 'ignore', 'ignore', ...fds],
      detached: true,
    });
    t.after(() => {
      process.kill(-(this.child.pid as number), 'SIGKILL');
    });
  }

  static async make(t: TestContext, bytes = 0): Promise<Case> {
    const folder = temporaryFolder(t);
    const namespace = spawn(
      'unshare',
      ['--mount', 'sh', '-c', 'mount -t tmpfs gk /run && echo made && exec sleep 600'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    t.after(() => namespace.kill('SIGKILL'));
    await once(namespace.stdout as NonNullable<typeof namespace.stdout>, 'data');
    const fds = ['one', 'two'].map(name => ghostFile(t, folder, name, ''));
    if (bytes > 0) fds.push(ghostFile(t, folder, 'large', Buffer.alloc(bytes, 1)));
    const made = new Case(t, folder, namespace, fds);
    // The shell starts a second process, which a cgroup must not miss and which counts.
    await made.until(() => made.pids().length === 2 && made.hasCounted());
    return made;
  }

  /** Folders are named by their whole path, because nsenter begins in the root. */
  words = (...args: string[]) => [
    `--mount=/proc/${this.#namespace.pid}/ns/mnt`,
    ...command,
    ...args.map(arg => (/^(images|more|to)$/.test(arg) ? `${this.folder}/${arg}` : arg)),
  ];
  run = (...args: string[]) =>
    spawnSync('nsenter', this.words(...args), { encoding: 'utf8', timeout: 120_000 });
  start(t: TestContext, ...args: string[]): ChildProcess {
    const child = spawn('nsenter', this.words(...args), {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: this.folder,
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  }

  pids(): number[] {
    const { pid } = this.child;
    const children = fs
      .readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return [pid as number, ...children.filter(Boolean)];
  }
  states = () =>
    this.pids().map(pid => /^State:\s(.)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

  /** Has each of the two counters written something? */
  hasCounted = () => [3, 4].every(fd => fs.statSync(`/proc/${this.child.pid}/fd/${fd}`).size > 0);

  /** Waits until the first counter goes on, or fails. */
  async assertGoesOn(): Promise<void> {
    const size = () => fs.statSync(`/proc/${this.child.pid}/fd/3`).size;
    const before = size();
    for (let waits = 0; size() === before; waits += 1) {
      assert.ok(waits < 3000, `stands still: ${this.states()}`);
      await sleep(10);
    }
  }

  async until(isSo: () => boolean): Promise<void> {
    for (let waits = 0; !isSo(); waits += 1) {
      assert.ok(waits < 12_000, `states ${this.states()}`);
      await sleep(5);
    }
  }

  /** Restores the dump, and gives both counters as they were when it was made. */
  counts(): number[] {
    assert.equal(this.run('restore', '-D', 'images', '--to', 'to').status, 0);
    const names = fs.readdirSync(`${this.folder}/to`).sort().slice(0, 2);
    return names.map(name =>
      Number(fs.readFileSync(`${this.folder}/to/${name}`, 'utf8').trim().split('\n').at(-1)),
    );
  }
}

/** The freezers of this host: of cgroup version 1, and of version 2 alone or beside it. */
const freezers = [
  { version: 'version 1', root: '/sys/fs/cgroup/freezer', state: 'freezer.state' },
  { version: 'version 2', root: '/sys/fs/cgroup', state: 'cgroup.events' },
  { version: 'version 2 beside 1', root: '/sys/fs/cgroup/unified', state: 'cgroup.events' },
].filter(({ root }) => fs.existsSync(`${root}/cgroup.procs`));

/** A cgroup with the case's processes. */
async function cgroupOf(t: TestContext, made: Case, root: string): Promise<string> {
  const cgroup = `${root}/gk-freeze-${process.pid}`;
  fs.mkdirSync(cgroup);
  t.after(async () => {
    for (let waits = 0; waits < 200; waits += 1) {
      try {
        return fs.rmdirSync(cgroup);
      } catch {
        await sleep(10);
      }
    }
  });
  for (const pid of made.pids()) fs.writeFileSync(`${cgroup}/cgroup.procs`, String(pid));
  return cgroup;
}

/**
 * A dump that has frozen its processes and still copies. On a busy machine a dump may end before we see that;
 * then another one is started.
 */
async function frozenDump(t: TestContext): Promise<{ made: Case; child: ChildProcess }> {
  for (let time = 0; time < 10; time += 1) {
    const made = await Case.make(t, 128 << 20);
    const child = made.start(t, 'dump', '--tree', String(made.child.pid), '--freeze', '-D', 'images');
    await made.until(() => child.exitCode !== null || made.states().every(state => state === 'T'));
    if (child.exitCode === null) return { made, child };
  }
  return assert.fail('every dump has ended before it was seen that its processes are frozen');
}

describe('dump --freeze', { skip: isRoot ? false : 'mounts and cgroups need root' }, () => {
  it('dump --freeze stops a tree of processes, copies its state of one moment, and lets it go on', async t => {
    const made = await Case.make(t);
    await made.assertGoesOn();
    const { status, stderr } = made.run('dump', '--tree', String(made.child.pid), '--freeze', '-D', 'images');
    assert.deepEqual([status, stderr], [0, '']);
    await made.assertGoesOn();
    const [one = 0, two = 0] = made.counts();
    assert.ok(one > 0 && one - two <= 1 && one >= two, `${one} and ${two}`);
  });

  for (const { version, root, state } of freezers)
    it(`dump --freeze freezes a container by the freezer of its cgroup (${version}), and stops no process by a signal`, async t => {
      const made = await Case.make(t, 128 << 20);
      const cgroup = await cgroupOf(t, made, root);
      const name = cgroup.split('/').at(-1) as string;
      const child = made.start(t, 'dump', '--container', name, '--freeze', '-D', 'images');
      const isFrozen = () => /FROZEN|frozen 1/.test(fs.readFileSync(`${cgroup}/${state}`, 'utf8'));
      await made.until(isFrozen);
      assert.ok(!made.states().includes('T'), `${made.states()}`);
      assert.deepEqual(await once(child, 'exit'), [0, null]);
      assert.ok(!isFrozen());
      await made.assertGoesOn();
      const [one = 0, two = 0] = made.counts();
      assert.ok(one > 0 && one - two <= 1 && one >= two, `${one} and ${two}`);
    });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    it(`when ${signal} comes during dump --freeze, the processes go on, and nothing is dumped`, async t => {
      const { made, child } = await frozenDump(t);
      child.kill(signal);
      const [status] = await once(child, 'exit');
      assert.notEqual(status, 0);
      await made.assertGoesOn();
      assert.ok(!fs.existsSync(`${made.folder}/images/ghostkeep-manifest.json`));
    });

  it('when the process that copies for dump --freeze is killed, the process that has frozen the others thaws them at once', async t => {
    const { made, child } = await frozenDump(t);
    let copier = '';
    await made.until(() => {
      copier = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      return copier !== '';
    });
    process.kill(Number(copier), 'SIGKILL');
    assert.deepEqual(await once(child, 'exit'), [137, null]);
    await made.assertGoesOn();
  });

  it('when both processes of dump --freeze are killed, the next ghostkeep command lets the frozen processes go on', async t => {
    const { made, child } = await frozenDump(t);
    child.kill('SIGSTOP');
    const copier = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    child.kill('SIGKILL');
    if (copier !== '') process.kill(Number(copier), 'SIGKILL');
    await once(child, 'exit');
    assert.ok(
      made.states().every(state => state === 'T'),
      `${made.states()}`,
    );
    const { stderr } = made.run('scan', '--pid', String(process.pid));
    assert.match(
      stderr,
      /process \d+ goes on: ghostkeep dump --freeze \(process \d+\) had frozen it and was killed/,
    );
    await made.assertGoesOn();
    assert.equal(made.run('scan', '--pid', String(process.pid)).stderr, '');
  });

  it('when only the process that froze for dump --freeze is killed, the one that copies finishes the dump and then thaws', async t => {
    const made = await Case.make(t, 128 << 20);
    const child = made.start(t, 'dump', '--tree', String(made.child.pid), '--freeze', '-D', 'images');
    let copier = '';
    await made.until(() => {
      copier = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      return copier !== '';
    });
    child.kill('SIGKILL');
    await made.until(() => fs.existsSync(`${made.folder}/images/ghostkeep-manifest.json`));
    await made.assertGoesOn();
    const [one = 0, two = 0] = made.counts();
    assert.ok(one > 0 && one - two <= 1 && one >= two, `${one} and ${two}`);
  });

  it('when somebody lets the processes go on during dump --freeze, as another such dump does at its end, the dump fails', async t => {
    const made = await Case.make(t, 512 << 20);
    const child = made.start(t, 'dump', '--tree', String(made.child.pid), '--freeze', '-D', 'images');
    let text = '';
    child.stderr?.on('data', chunk => {
      text += chunk;
    });
    await made.until(() => fs.existsSync(`${made.folder}/images/ghostkeep`));
    for (const pid of made.pids()) process.kill(pid, 'SIGCONT');
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    // A ghost that was still to be copied may have changed already.
    assert.match(text, /somebody let it go on before all was copied.*\[NOT_FROZEN\]|\[GHOST_CHANGED\]/);
    assert.ok(!fs.existsSync(`${made.folder}/images/ghostkeep-manifest.json`));
    await made.assertGoesOn();
  });

  it('dump --freeze leaves processes stopped that were stopped before, and refuses to freeze ghostkeep itself', async t => {
    const made = await Case.make(t);
    await made.assertGoesOn();
    for (const pid of made.pids()) process.kill(pid, 'SIGSTOP');
    await made.until(() => made.states().every(state => state === 'T'));
    const { status, stderr } = made.run('dump', '--tree', String(made.child.pid), '--freeze', '-D', 'images');
    assert.deepEqual([status, stderr], [0, '']);
    assert.ok(
      made.states().every(state => state === 'T'),
      `${made.states()}`,
    );
    const itself = made.run('dump', '--tree', String(process.pid), '--freeze', '-D', 'more');
    assert.equal(itself.status, 1);
    assert.match(itself.stderr, /ghostkeep itself is among the processes \[NOT_FROZEN\]/);
  });
});
