import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Containers } from '../../../../src/flows/container/containers.js';
import { fakeHost } from '../../fake-host.js';

const [outer, inner] = ['a', 'b'].map(digit => digit.repeat(64)) as [string, string];
const known = [{ id: outer, names: ['shop', 'alias'], cgroups: ['/custom'] }];
const inCgroups = (...cgroups: string[]) => {
  const host = fakeHost();
  host.processes.add(100, { cgroups });
  return new Containers(host, known).of(100);
};

describe('Containers', () => {
  it('when a cgroup is named after an id, its processes are in that container, by the first name that its engine gave it', () => {
    assert.deepEqual(inCgroups('/', `/docker/${outer}`), { id: outer, name: 'shop' });
    assert.deepEqual(inCgroups(`/a.slice/cri-containerd-${inner}.scope/x`), { id: inner });
    assert.deepEqual(inCgroups('/user.slice/crun-web.scope'), { id: 'web' });
  });

  it('when the record of a container notes a cgroup of another name, the processes there are in that container', () => {
    assert.deepEqual(inCgroups('/custom/deeper'), { id: outer, name: 'shop' });
  });

  it('when only the record of a runtime shows that the name of a cgroup is an id, the container is found', () => {
    const host = fakeHost();
    host.processes.add(100, { cgroups: ['/', '/small'] });
    const small = { id: 'small', names: [], cgroups: ['/'] };
    assert.deepEqual(new Containers(host, [small]).of(100), { id: 'small' });
    assert.equal(new Containers(host, [small]).of(host.processes.self()), undefined);
  });

  it('when a container runs other containers, a process in an inner one belongs to the inner one', () => {
    assert.deepEqual(inCgroups(`/docker/${outer}/docker/${inner}`), { id: inner });
  });

  it('when a cgroup belongs to a service, or the process has gone, the process is in no container', () => {
    for (const cgroup of [
      '/',
      '/system.slice/docker.service',
      '/system.slice/containerd.service',
      '/customer',
    ])
      assert.equal(inCgroups(cgroup), undefined, cgroup);
    assert.equal(new Containers(fakeHost(), known).of(7), undefined);
  });
});
