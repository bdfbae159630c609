/**
 * `--container` chooses the processes of one container and no others. The record that says which cgroup it has
 * is runc's, word for word as runc writes it with cgroup version 2.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { command, ghostFile, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/** Where cgroup version 2 is mounted: alone, or beside version 1. */
const root = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(each =>
  fs.existsSync(`${each}/cgroup.controllers`),
);

/**
 * Makes CGROUPS and starts a process in each. The process holds a ghost of 1 MiB that is named after its
 * cgroup.
 */
function startIn(t: TestContext, cgroups: readonly string[]): number[] {
  const children = cgroups.map(cgroup => {
    const fd = ghostFile(t, temporaryFolder(t), ghostOf(cgroup), Buffer.alloc(1 << 20, 1));
    fs.mkdirSync(`${root}${cgroup}`);
    const child = spawn('sleep', ['60'], { stdio: ['ignore', fd] });
    fs.writeFileSync(`${root}${cgroup}/cgroup.procs`, String(child.pid));
    return child;
  });
  t.after(async () => {
    for (const child of children) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    for (const cgroup of cgroups.toReversed()) fs.rmdirSync(`${root}${cgroup}`);
  });
  return children.map(({ pid }) => pid as number);
}

const ghostOf = (cgroup: string) => cgroup.slice(1).replaceAll('/', '-');

/** Only the command sees the record and the mount: it gets a mount namespace of its own. */
function runWhere(cgroup: string, script: string) {
  const state = JSON.stringify({ id: 'small', cgroup_paths: { '': `/sys/fs/cgroup${cgroup}` } });
  const setUp = [
    'mount -t tmpfs tmpfs /run && mkdir -p /run/runc/small && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 99',
    `printf %s '${state}' >/run/runc/small/state.json`,
    'ghostkeep() { "$@"; }',
  ].join('\n');
  const words = command.map(word => `'${word}'`).join(' ');
  const whole = `${setUp}\n${script.replaceAll('ghostkeep ', `ghostkeep ${words} `)}`;
  return spawnSync('unshare', ['--mount', 'sh', '-c', whole], { encoding: 'utf8' });
}

describe('--container', { skip: isRoot ? false : 'mounts and cgroups need root' }, () => {
  for (const depth of [1, 2])
    it(`when runc notes a cgroup of level ${depth}, scan, dump, recover and pre-dump take its processes alone`, async t => {
      if (!needs(t, root !== undefined, 'this host has no cgroup version 2')) return;
      const [outer, tail] = [`/gk-outer-${process.pid}`, `/gk-tail-${process.pid}`];
      const own = depth === 1 ? `/gk-own-${process.pid}` : `${outer}${tail}`;
      const pid = startIn(t, [outer, tail, own]).at(-1) as number;
      ghostFile(t, temporaryFolder(t), 'of-the-host', 'x');
      const images = temporaryFolder(t);
      const { status, stdout, stderr } = runWhere(
        own,
        `ghostkeep scan --container small --json &&
        ghostkeep scan --cgroup /sys/fs/cgroup${own} --json &&
        kill -STOP ${pid} &&
        ghostkeep dump --container small -D ${images}/dump --json &&
        kill -CONT ${pid} &&
        ghostkeep recover --container small --to ${images}/recovered --json &&
        ghostkeep pre-dump --container small -D ${images}/bases --json &&
        { ghostkeep doctor --json || true; }`,
      );
      assert.equal(status, 0, stderr);
      const documents = stdout
        .trim()
        .split(/\n(?=\{)/)
        .map(each => JSON.parse(each));
      const [scan, byCgroup, dump, recovered, preDump, doctor] = documents;
      for (const { processes } of [scan, byCgroup])
        assert.deepEqual(
          processes.map((each: { pid: number }) => each.pid),
          [pid],
        );
      assert.deepEqual(
        scan.containers.map(({ id, ghosts }: { id: string; ghosts: number }) => [id, ghosts]),
        [['small', 1]],
      );
      const isOwn = new RegExp(`/${ghostOf(own)}$`);
      assert.match(scan.ghosts[0].path, isOwn);
      assert.deepEqual([dump.ghosts.length, recovered.recovered.length], [1, 1]);
      assert.equal(preDump.ghosts.length, 1, stdout);
      assert.match(preDump.ghosts[0].path, isOwn);
      assert.deepEqual(doctor.bases[0].pids, [pid], stdout);
    });
});
