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
  it('when a cgroup is named after an id, that is the container, by the first name of its engine', () => {
    assert.deepEqual(inCgroups('/', `/docker/${outer}`), { id: outer, name: 'shop' });
    assert.deepEqual(inCgroups(`/a.slice/cri-containerd-${inner}.scope/x`), { id: inner });
    assert.deepEqual(inCgroups('/user.slice/crun-web.scope'), { id: 'web' });
  });

  it('when a record notes another cgroup, that is the container', () => {
    assert.deepEqual(inCgroups('/custom/deeper'), { id: outer, name: 'shop' });
  });

  it('when a runtime named the cgroup after an id that only its record tells from other names, it is found', () => {
    const host = fakeHost();
    host.processes.add(100, { cgroups: ['/', '/small'] });
    const small = { id: 'small', names: [], cgroups: ['/'] };
    assert.deepEqual(new Containers(host, [small]).of(100), { id: 'small' });
    assert.equal(new Containers(host, [small]).of(host.processes.self()), undefined);
  });

  it('when a container runs others, the inner one is named', () => {
    assert.deepEqual(inCgroups(`/docker/${outer}/docker/${inner}`), { id: inner });
  });

  it('when a cgroup belongs to a service, or the process has gone, there is no container', () => {
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
