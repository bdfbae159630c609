import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pidsOfContainer, selectPids } from '../../../../src/flows/scan/select.js';
import { ghostkeepError } from '../../expect.js';
import { fakeHost } from '../../fake-host.js';

const id = '4f1c3b2a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a';
const inCgroup = (path: string) => fakeHost().processes.add(100, { cgroups: ['/', path] });
const matches = (path: string, name: string) => pidsOfContainer(inCgroup(path), name).includes(100);

describe('pidsOfContainer', () => {
  it('when a runtime named the cgroup after the id, in whatever style, it is found', () => {
    for (const path of [
      `/${id}`,
      `/machine.slice/libpod-${id}.scope`,
      `/machine.slice/libpod-${id}.scope/container`,
      `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${id}.scope`,
      `/kubepods/crio-${id}.scope`,
      `/system.slice/docker-${id}.scope`,
      `/user.slice/user@1000.service/user.slice/libpod-${id}.scope`,
    ]) {
      assert.ok(matches(path, id), path);
      assert.ok(matches(path, id.slice(0, 12)), `${path} by a prefix`);
    }
  });

  it('when the name is short but whole, it is found', () => {
    assert.ok(matches('/web', 'web'));
    assert.ok(matches('/user.slice/crun-web.scope', 'web'));
    assert.ok(matches('/a/my-web', 'my-web'));
  });

  it('when the id is only part of another name, it is not', () => {
    assert.ok(!matches('/webserver', 'web'));
    assert.ok(!matches('/myweb', 'web'));
    assert.ok(!matches('/web2', 'web'));
    assert.ok(!matches('/my-web', 'web'));
    assert.ok(!matches(`/libpod-${id}.scope`, id.slice(0, 11)), 'eleven digits are too few');
    assert.ok(!matches(`/libpod-${id}.scope`, id.slice(1)), 'not from its start');
    assert.ok(!matches(`/libpod-conmon-x${id}.scope`, id));
    assert.ok(!matches('/abcdefabcdef-sidecar', 'abcdefabcdef'), 'a name goes on behind the id');
    assert.ok(!matches('/', ''));
  });

  it("when podman's monitor lies beside the container, it is not the container", () => {
    assert.ok(!matches(`/machine.slice/libpod-conmon-${id}.scope`, id));
  });

  it('when a process vanishes meanwhile, it is passed over', () => {
    const processes = inCgroup('/web').add(101, { fails: { cgroupsOf: 'ESRCH' } });
    assert.deepEqual(pidsOfContainer(processes, 'web'), [100]);
  });
});

describe('selectPids', () => {
  it('when nothing is in a container or cgroup, it says so', () => {
    const processes = inCgroup('/web');
    assert.throws(
      () => selectPids(processes, { container: 'x' }),
      ghostkeepError('NOT_FOUND', 'container x'),
    );
    assert.throws(() => selectPids(processes, { cgroup: '/x' }), ghostkeepError('NOT_FOUND', 'cgroup /x'));
  });

  it('when pids are given, they are taken as they are', () => {
    const processes = inCgroup('/web');
    assert.deepEqual(selectPids(processes, { pids: [7, 100] }), [7, 100]);
    assert.deepEqual(selectPids(processes, { cgroup: '/web' }), [100]);
    assert.deepEqual(selectPids(processes, { container: 'web' }), [100]);
    assert.deepEqual(selectPids(processes, { all: true }), [100, 999]);
  });
});
