/**
 * `ghostkeep checkpoint` ends before its time: the container that it has paused is resumed, at once or by the
 * next command.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/** A runtime with one container, whose verbs PAUSE and CHECKPOINT go on only when a file is removed. */
const runtime = (folder: string, pid: number) => `#!/bin/sh
[ "$1" != --root ] || { [ -d "$2" ] || { echo no such root >&2; exit 1; }; shift 2; }
hold() { echo $$ >${folder}/$1.pid.new; mv ${folder}/$1.pid.new ${folder}/$1.pid
  while [ -e ${folder}/hold-$1 ]; do sleep 0.02; done; }
echo "$1" >>${folder}/calls
case $1 in
state) printf '{"ociVersion":"1.0.2","id":"web","status":"%s","pid":${pid},"bundle":"/b"}' "$(cat ${folder}/status)" ;;
pause) trap '' INT; echo paused >${folder}/status; hold pause ;;
resume) echo running >${folder}/status ;;
checkpoint) trap '' INT; hold checkpoint; exit 7 ;;
esac
`;

class Host {
  readonly folder: string;
  readonly #namespace: string;

  private constructor(folder: string, namespace: number) {
    this.folder = folder;
    this.#namespace = `--mount=/proc/${namespace}/ns/mnt`;
  }

  /** Runs with a separate /run, so that no other test's command sees the container that is paused here. */
  static async make(t: TestContext, ...holds: string[]): Promise<Host> {
    const folder = temporaryFolder(t);
    const script = 'mount -t tmpfs gk-test /run && echo made && exec sleep 600';
    const namespace = spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const container = spawn('sleep', ['600'], { stdio: 'ignore' });
    t.after(() => {
      for (const child of [namespace, container]) child.kill('SIGKILL');
      // The runtime's processes wait until these files are gone, and then end.
      for (const verb of ['pause', 'checkpoint']) fs.rmSync(`${folder}/hold-${verb}`, { force: true });
    });
    await once(namespace.stdout, 'data');
    for (const made of ['root', 'tmp']) fs.mkdirSync(`${folder}/${made}`);
    fs.writeFileSync(`${folder}/status`, 'running\n');
    for (const verb of holds) fs.writeFileSync(`${folder}/hold-${verb}`, '');
    fs.writeFileSync(`${folder}/runc`, runtime(folder, container.pid as number), { mode: 0o755 });
    return new Host(folder, namespace.pid as number);
  }

  #command(...args: string[]): string[] {
    return [this.#namespace, ...command, ...args];
  }

  /** Uses relative paths, as from a shell. */
  checkpoint(t: TestContext): ChildProcess {
    const args = [
      'checkpoint',
      '--',
      './runc',
      '--root',
      './root',
      'checkpoint',
      '--image-path',
      `${this.folder}/i`,
      'web',
    ];
    const [namespace = '', ...command] = this.#command(...args);
    const words = [namespace, 'sh', '-c', 'cd "$0" && exec "$@"', this.folder, ...command];
    const env = { ...process.env, TMPDIR: this.tmp };
    const child = spawn('nsenter', words, { stdio: 'ignore', env });
    t.after(() => child.kill('SIGKILL'));
    return child;
  }

  /**
   * Runs another command of ghostkeep.
   * @returns stderr
   */
  next(): string {
    const args = this.#command('scan', '--pid', String(process.pid));
    const { status, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stderr;
  }

  get tmp(): string {
    return `${this.folder}/tmp`;
  }

  status = () => fs.readFileSync(`${this.folder}/status`, 'utf8').trim();
  calls = () => fs.readFileSync(`${this.folder}/calls`, 'utf8').trim().split('\n');

  /** @returns its pid */
  async begun(verb: string): Promise<number> {
    const file = `${this.folder}/${verb}.pid`;
    while (!fs.existsSync(file)) await sleep(5);
    return Number(fs.readFileSync(file, 'utf8'));
  }

  async letGo(verb: string): Promise<void> {
    const pid = await this.begun(verb);
    fs.rmSync(`${this.folder}/hold-${verb}`);
    while (isAlive(pid)) await sleep(5);
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\sZ/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('ghostkeep checkpoint that ends before its time', {
  skip: isRoot ? false : 'mounting needs root',
}, () => {
  for (const verb of ['pause', 'checkpoint'])
    it(`when ghostkeep checkpoint is killed during the runtime's ${verb}, the next ghostkeep command after that resumes the container`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const host = await Host.make(t, verb);
      const child = host.checkpoint(t);
      await host.begun(verb);
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      assert.equal(host.status(), 'paused');
      // The runtime is still at work, and CRIU may be.
      host.next();
      assert.equal(host.status(), 'paused');
      await host.letGo(verb);
      assert.match(
        host.next(),
        /resumed web: ghostkeep checkpoint \(process \d+\) had paused it and was killed/,
      );
      assert.equal(host.status(), 'running');
      assert.equal(host.next(), '');
      assert.deepEqual(fs.readdirSync(host.tmp), []);
    });

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGTERM', 143],
  ] as const)
    it(`when ${signal} comes before the runtime's command, the container runs on and the status is ${status}`, async t => {
      const host = await Host.make(t, 'pause');
      const child = host.checkpoint(t);
      await host.begun('pause');
      child.kill(signal);
      const ended = once(child, 'exit');
      await host.letGo('pause');
      assert.deepEqual(await ended, [status, null]);
      assert.equal(host.status(), 'running');
      assert.ok(!host.calls().includes('checkpoint'));
      assert.ok(!fs.existsSync(`${host.folder}/i/ghostkeep`));
    });

  it("when SIGINT comes during the runtime's command, the runtime decides, and its failure is ghostkeep's failure", async t => {
    const host = await Host.make(t, 'checkpoint');
    const child = host.checkpoint(t);
    await host.begun('checkpoint');
    child.kill('SIGINT');
    const ended = once(child, 'exit');
    await host.letGo('checkpoint');
    assert.deepEqual(await ended, [1, null]);
    assert.equal(host.status(), 'running');
  });
});
