import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scan } from '../../../../src/flows/scan/scan.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeProcess, fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const ghost = opened(fakeFile(), '/a (deleted)');
function machine(process: FakeProcess) {
  const context = fakeContext();
  const exe = opened(fakeFile({ ino: 1n, nlink: 1 }), '/bin/x');
  context.host.processes.add(100, { fds: { 3: ghost } }).add(200, { exe, ...process });
  return context;
}

describe('scan', () => {
  it('when a process that was named does not exist, scan fails, whatever the others hold', () => {
    assert.throws(
      () => scan(machine({}), { pids: [100, 300] }),
      ghostkeepError('NOT_FOUND', 'process 300: there is none'),
    );
  });

  it('when a process that was named may not be looked at, scan fails and says who may', () => {
    for (const fds of ['EACCES', 'EPERM'])
      assert.throws(
        () => scan(machine({ fails: { fds } }), { pids: [200] }),
        ghostkeepError('PERMISSION', 'process 200', fds, 'it takes root with CAP_SYS_PTRACE'),
      );
  });

  it('scan says of each process how many ghosts it holds and how much they take, the most first', () => {
    const file = (ino: bigint, allocated: bigint) =>
      opened(fakeFile({ ino, allocated }), `/${ino} (deleted)`);
    const [small, large] = [file(10n, 4096n), file(11n, 1n << 20n)];
    const context = fakeContext();
    context.host.processes
      .add(100, { fds: { 3: small, 4: small }, cgroups: [`/docker/${'a'.repeat(64)}`] })
      .add(200, { fds: { 3: small, 4: large }, commandLine: ['greedy'] });
    const { processes, containers } = scan(context, { pids: [100, 200] });
    assert.deepEqual(processes, [
      { pid: 200, command: 'greedy', ghosts: 2, allocated: (1 << 20) + 4096 },
      { pid: 100, command: 'fake', container: 'a'.repeat(64), ghosts: 1, allocated: 4096 },
    ]);
    assert.deepEqual(containers, [{ id: 'a'.repeat(64), ghosts: 1, allocated: 4096 }]);
  });

  it('when a checkpoint would be refused because of a ghost, the ghost counts as kept by nobody, and --kept-by no lists it', () => {
    const mounts = [fakeMount(30, { rootGone: true })];
    for (const keptBy of [['no'], ['criu', 'ghostkeep']] as const) {
      const { ghosts } = scan(machine({ fds: { 3: ghost }, mounts }), { pids: [200] }, { keptBy });
      const kept = ghosts.map(({ keep, why }) => `${keep}: ${why}`);
      if (keptBy[0] === 'no') assert.match(kept.join(), /^no: the source of its mount was removed [^,]*$/);
      else assert.deepEqual(kept, []);
    }
  });

  it('when one descriptor of a named process cannot be looked at, scan shows its other descriptors', () => {
    const fds = {
      3: ghost,
      4: opened(fakeFile({ ino: 2n }), '/fuse/x'),
      5: opened(fakeFile({ ino: 3n }), '/b (deleted)'),
    };
    const { ghosts, unseen } = scan(machine({ fds, fails: { 'stat fd/4': 'EACCES' } }), { pids: [200] });
    assert.equal(ghosts.length, 2);
    assert.deepEqual(
      unseen.map(({ what }) => what),
      ['fd 4'],
    );
  });

  it('when processes are named, the descriptors of each are listed only once', () => {
    const context = machine({});
    const { fds } = context.host.processes;
    const listed: number[] = [];
    context.host.processes.fds = pid => {
      listed.push(pid);
      return fds(pid);
    };
    const { unseen } = scan(context, { pids: [100, 200] });
    assert.deepEqual([listed, unseen], [[100, 200], []]);
  });

  it('when a process that was not named is gone or forbidden, scan reports it and succeeds', () => {
    for (const fds of ['EACCES', 'ESRCH']) {
      const { ghosts, unseen } = scan(machine({ fails: { fds } }), { all: true });
      assert.equal(ghosts.length, 1);
      assert.deepEqual(
        unseen.filter(({ pid }) => pid === 200).map(({ what }) => what),
        [fds === 'EACCES' ? 'fd' : 'process'],
      );
      assert.deepEqual(Object.keys(unseen[0] ?? {}), ['pid', 'what', 'why']);
    }
  });
});
