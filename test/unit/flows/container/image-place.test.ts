import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findImagePlace } from '../../../../src/flows/container/image-place.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeProcess, fakeContext, fakeFile } from '../../fake-host.js';

const socket = '/run/containerd/containerd.sock';
const [host, container] = ['mnt:[1]', 'mnt:[2]'];
const shim: FakeProcess = {
  namespace: host,
  commandLine: ['containerd-shim-runc-v2', '-namespace', 'k8s.io', '-id', 'web', '-address', socket],
};
const conmon = (folder: string, more: string[] = []): FakeProcess => ({
  namespace: host,
  commandLine: ['/usr/bin/conmon', '-b', folder, ...more],
});
const podman = (folder: string) => conmon(folder, ['--exit-command', '/usr/bin/podman']);

/** A machine on which process 100 is a container's first, 101 its child, and 50 the first one's parent. */
function machine(monitor: FakeProcess, daemon: FakeProcess = {}, folders = ['/tmp']) {
  const context = fakeContext();
  const { processes } = context.host;
  processes.listeners.set(socket, 40);
  processes
    .add(1, { namespace: host, parent: 0 })
    .add(40, { namespace: host, ...daemon })
    .add(50, { parent: 1, ...monitor })
    .add(100, { namespace: container, parent: 50 })
    .add(101, { namespace: container, parent: 100 })
    .add(999, {
      namespace: host,
      inRoot: Object.fromEntries(folders.map(folder => [folder, fakeFile({ mode: 0o041777 })])),
    });
  return context;
}
const find = (context: ReturnType<typeof fakeContext>, pids = [101, 100]) =>
  findImagePlace(context, pids, 'container web');
const isUnknown = (...named: (string | RegExp)[]) =>
  ghostkeepError('NO_IMAGE_PLACE', 'container web', ' -D', ...named);

describe('findImagePlace', () => {
  it("the images of containerd go to its service's XDG_RUNTIME_DIR, or else to its TMPDIR, or else to /tmp", () => {
    const folders = ['/tmp', '/run/own', '/var/own'];
    for (const [environment, folder] of [
      [{}, '/tmp'],
      [{ TMPDIR: '/var/own' }, '/var/own'],
      [{ XDG_RUNTIME_DIR: '/run/own', TMPDIR: '/var/own' }, '/run/own'],
      [{ XDG_RUNTIME_DIR: '', TMPDIR: '' }, '/tmp'],
    ] as const) {
      const context = machine(shim, { environment }, folders);
      assert.deepEqual(find(context), { engine: 'containerd', folder, own: false });
    }
  });

  it("when Podman or CRI-O has started the container, the images go to the container's own folder", () => {
    const folder = '/var/lib/c/userdata';
    assert.deepEqual(find(machine(podman(folder), {}, [folder])), { engine: 'podman', folder, own: true });
    const crio = conmon('/run/c', ['--persist-dir', folder]);
    assert.deepEqual(find(machine(crio, {}, [folder])), { engine: 'cri-o', folder, own: true });
  });

  it('when runc or crun has started the container alone, the reason says that the command names the folder', () => {
    const shell = { namespace: host, commandLine: ['bash'] };
    assert.throws(() => find(machine(shell)), isUnknown('runc and crun'));
  });

  it('when a process of the container takes the name of a monitor, that process is not trusted', () => {
    const context = machine({ namespace: host, commandLine: ['sh'] }, {}, ['/etc', '/tmp']);
    context.host.processes.add(100, { ...podman('/etc'), namespace: container, parent: 50 });
    assert.throws(() => find(context), isUnknown('runc and crun'));
    context.host.processes.add(50, { ...shim, parent: 1 });
    assert.deepEqual(find(context), { engine: 'containerd', folder: '/tmp', own: false });
  });

  it("when another user's process looks like a monitor, that process is not trusted, but one of our own user is", () => {
    const context = machine({ ...podman('/etc'), uid: 1000 }, {}, ['/etc']);
    assert.throws(() => find(context), isUnknown('runc and crun'));
    context.host.uid = () => 1000;
    assert.equal(find(context).folder, '/etc');
  });

  it("when containerd does not listen, sees other mounts, or is another user's, the reason says so", () => {
    const context = machine(shim, { namespace: 'mnt:[7]' });
    assert.throws(() => find(context), isUnknown('process 40', 'other mounts'));
    context.host.processes.add(40, { namespace: host, uid: 5 });
    assert.throws(() => find(context), isUnknown('another user'));
    context.host.processes.listeners.clear();
    assert.throws(() => find(context), isUnknown(socket, 'ECONNREFUSED'));
  });

  it('when the folder for images does not exist, or its name is not absolute, the reason names it', () => {
    assert.throws(() => find(machine(shim, {}, [])), isUnknown('/tmp', 'does not exist'));
    assert.throws(() => find(machine(podman('../etc'), {}, ['../etc'])), isUnknown('"../etc"'));
  });

  it('when a server on the way to the folder for images is dead, the reason says so', () => {
    const context = machine(shim);
    context.host.processes.statInRoot = () => {
      throw Object.assign(new Error('the server of /tmp (nfs) does not answer'), { code: 'ETIMEDOUT' });
    };
    assert.throws(() => find(context), isUnknown('the server of /tmp'));
  });

  it('when the processes have monitors of several containers, no folder for images is chosen', () => {
    const context = machine(podman('/a'), {}, ['/a', '/b']);
    context.host.processes.add(60, podman('/b')).add(200, { namespace: container, parent: 60 });
    assert.throws(() => find(context, [100, 200]), isUnknown('/a, /b'));
    assert.equal(find(context, [200]).folder, '/b');
  });

  it('when a process has ended or may not be looked at, the other processes decide where images go', () => {
    const context = machine(shim);
    context.host.processes.add(300, { fails: { uid: 'EACCES' } });
    assert.equal(find(context, [300, 4242, 100]).folder, '/tmp');
    assert.throws(() => find(context, [300, 4242]), isUnknown());
  });

  it('when the container has a long chain of processes, each is looked at once', () => {
    const context = machine(shim);
    const { processes } = context.host;
    const pids = Array.from({ length: 2000 }, (_, n) => 1000 + n);
    for (const pid of pids)
      processes.add(pid, { namespace: container, parent: pid === 1000 ? 100 : pid - 1 });
    const { parent } = processes;
    let asked = 0;
    processes.parent = pid => {
      asked++;
      return parent(pid);
    };
    assert.equal(find(context, pids.reverse()).folder, '/tmp');
    assert.ok(asked < 2100, `${asked}`);
  });
});
