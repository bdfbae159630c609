import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pidsOfContainer, selectPids } from '../../../../src/flows/scan/select.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeHost, fakeHost, fakeMount } from '../../fake-host.js';

const id = '4f1c3b2a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a';
const inCgroup = (path: string) => {
  const host = fakeHost();
  host.processes.add(100, { cgroups: ['/', path] });
  return host;
};
/** The mounts of cgroup version 2, or of hierarchies of version 1. */
const mountCgroups = (host: FakeHost, ...folders: string[]) => {
  const filesystem = folders.includes('/sys/fs/cgroup') ? 'cgroup2' : 'cgroup';
  const mounts = folders.map((folder, index) =>
    fakeMount(31 + index, { mountPoint: Buffer.from(folder), root: Buffer.from('/'), filesystem }),
  );
  host.processes.add(host.processes.self(), { mounts });
};
const matches = (path: string, name: string) => pidsOfContainer(inCgroup(path), name).includes(100);

describe('pidsOfContainer', () => {
  it("when a runtime named the cgroup after the container's id, in whatever style, the container is found", () => {
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

  it('when the name of a container is short, and the cgroup has it as a whole, the container is found', () => {
    assert.ok(matches('/web', 'web'));
    assert.ok(matches('/user.slice/crun-web.scope', 'web'));
    assert.ok(matches('/a/my-web', 'my-web'));
  });

  it("when the id is only a part of another name, the cgroup is not taken for the container's", () => {
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

  it("when podman's monitor has a cgroup beside the container's, it is not taken for the container", () => {
    assert.ok(!matches(`/machine.slice/libpod-conmon-${id}.scope`, id));
  });

  it('when a process vanishes during the search, it is passed over', () => {
    const host = inCgroup('/web');
    host.processes.add(101, { fails: { cgroupsOf: 'ESRCH' } });
    assert.deepEqual(pidsOfContainer(host, 'web'), [100]);
  });
});

const stored = '/var/lib/containers/storage/overlay-containers/containers.json';
const other = id.replaceAll('4', '7');

describe('pidsOfContainer by name', () => {
  const records: Record<string, [path: string, record: object | string]> = {
    podman: [stored, [{ id, names: ['web'] }]],
    docker: [`/var/lib/docker/containers/${id}/config.v2.json`, { ID: id, Name: '/web' }],
    'CRI-O': [stored, [{ id, names: ['k8s_web_pod_ns_uid_0'], metadata: '{"metadata-name":"web"}' }]],
    "containerd's CRI": [
      `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/config.json`,
      { annotations: { 'io.kubernetes.cri.container-name': 'web' } },
    ],
    nerdctl: [
      `/run/containerd/io.containerd.runtime.v2.task/default/${id}/config.json`,
      { annotations: { 'nerdctl/name': 'web' } },
    ],
  };
  for (const [engine, [path, record]] of Object.entries(records))
    it(`when ${engine} has noted the name of a container, the container is found by it`, () => {
      const host = inCgroup(`/a/libpod-${id}.scope`);
      host.files.put(path, JSON.stringify(record));
      assert.deepEqual(pidsOfContainer(host, 'web'), [100]);
      assert.deepEqual(pidsOfContainer(host, 'we'), []);
    });

  it("when the cgroup is named after something else, the record of runc or crun tells which cgroup is the container's", () => {
    for (const [path, record] of [
      ['/run/runc/web/state.json', { cgroup_paths: { '': '/sys/fs/cgroup/a/b' } }],
      ['/run/docker/runtime-runc/moby/web/state.json', { cgroup_paths: { '': '/sys/fs/cgroup/a/b' } }],
      ['/run/crun/web/status', { 'cgroup-path': '/a/b' }],
    ] as const) {
      const host = inCgroup('/a/b/c');
      host.files.put(path, JSON.stringify(record));
      assert.deepEqual(pidsOfContainer(host, 'web'), [100], path);
    }
  });

  for (const own of ['/small', '/a/b', '/a/b/c'])
    it(`when runc's state names the v2 cgroup ${own}, only that container's processes are chosen`, () => {
      const host = inCgroup(own);
      mountCgroups(host, '/sys/fs/cgroup');
      const noted = { cgroup_paths: { '': `/sys/fs/cgroup${own}` } };
      host.files.put('/run/runc/web/state.json', JSON.stringify(noted));
      host.processes.add(1, { cgroups: ['/'] });
      ['/b', '/c', '/b/c', '/a', '/smaller'].forEach((cgroup, index) => {
        host.processes.add(200 + index, { cgroups: [cgroup] });
      });
      assert.deepEqual(selectPids(host, { container: 'web' }), [100]);
      assert.deepEqual(selectPids(host, { cgroup: `/sys/fs/cgroup${own}` }), [100]);
    });

  it('when runc notes a cgroup in each hierarchy of version 1, wherever they are mounted, the container is found by it', () => {
    for (const root of ['/sys/fs/cgroup', '/run/lab/cgroups']) {
      const host = inCgroup('/a/b');
      mountCgroups(host, `${root}/cpu,cpuacct`, `${root}/freezer`);
      const noted = {
        cpu: `${root}/cpu,cpuacct/a/b`,
        cpuacct: `${root}/cpu/a/b`,
        freezer: `${root}/freezer/`,
      };
      host.files.put('/run/runc/web/state.json', JSON.stringify({ cgroup_paths: noted }));
      host.processes.add(200, { cgroups: ['/b'] }).add(201, { cgroups: ['/cpu/a/b'] });
      assert.deepEqual(selectPids(host, { container: 'web' }), [100], root);
    }
  });

  it('when a record notes the root of all cgroups, no process is chosen by it', () => {
    const host = inCgroup('/other');
    mountCgroups(host, '/sys/fs/cgroup');
    host.files.put('/run/runc/web/state.json', JSON.stringify({ cgroup_paths: { '': '/sys/fs/cgroup' } }));
    assert.throws(() => selectPids(host, { container: 'web' }), ghostkeepError('NOT_FOUND', 'container web'));
  });

  it('when two containers have the name, the error names both ids, and an id chooses', () => {
    const host = inCgroup(`/a/crio-${id}.scope`);
    host.files.put(stored, JSON.stringify([id, other].map(each => ({ id: each, names: ['app'] }))));
    assert.throws(() => pidsOfContainer(host, 'app'), ghostkeepError('BAD_INPUT', id, other, 'give an id'));
    assert.deepEqual(pidsOfContainer(host, id.slice(0, 12)), [100]);
  });

  it('when the record of a container is odd or too large, it is skipped', () => {
    for (const record of [
      '',
      '[',
      'null',
      '[null, 7, {"id": 7}, {"id": "x", "names": {"a": 1}}]',
      '{"id":"web"}',
    ]) {
      const host = inCgroup('/web');
      host.files.put(stored, record);
      host.files.put('/run/runc/web/state.json', record);
      assert.deepEqual(pidsOfContainer(host, 'web'), [100], record);
    }
  });
});

describe('selectPids by cgroup', () => {
  const path = '/system.slice/dev-disk\\x2dby.slice/web.scope';
  for (const pasted of [
    path,
    `${path}/`,
    path.slice(1),
    `/sys/fs/cgroup${path}`,
    `/sys/fs/cgroup/freezer${path}/`,
    `0::${path}\n`,
    `12:cpu,cpuacct:${path}`,
    path.replaceAll('\\', ''),
    '/system.slice',
    'web.scope',
  ])
    it(`when ${JSON.stringify(pasted)} is given as a cgroup, the processes in it are chosen`, () => {
      const host = inCgroup(path);
      mountCgroups(host, '/sys/fs/cgroup/freezer');
      assert.deepEqual(selectPids(host, { cgroup: pasted }), [100]);
    });

  it('when a cgroup right below the root is given as a folder, no process outside it is chosen', () => {
    const host = inCgroup('/web');
    host.processes.add(200, { cgroups: ['/', '/other'] });
    assert.deepEqual(selectPids(host, { cgroup: '/sys/fs/cgroup/web' }), [100]);
  });

  it('when only a part of the name of a cgroup fits, no process is chosen', () => {
    for (const pasted of ['/system', 'web', '/web.scope', '/sys/fs/cgroup/system.slice/x/web.scope'])
      assert.throws(() => selectPids(inCgroup(path), { cgroup: pasted }), ghostkeepError('NOT_FOUND'));
  });
});

describe('selectPids', () => {
  it('when --tree names a process, all its descendants are chosen, and the process must exist', () => {
    const host = inCgroup('/');
    host.processes.add(101, { parent: 100 }).add(102, { parent: 101 });
    assert.deepEqual(selectPids(host, { tree: 100 }), [100, 101, 102]);
    assert.throws(() => selectPids(host, { tree: 7 }), ghostkeepError('NOT_FOUND', 'process 7'));
  });

  it('when no process is in a container or cgroup, the error says so', () => {
    const host = inCgroup('/web');
    assert.throws(() => selectPids(host, { container: 'x' }), ghostkeepError('NOT_FOUND', 'container x'));
    assert.throws(() => selectPids(host, { cgroup: '/x' }), ghostkeepError('NOT_FOUND', 'cgroup /x'));
  });

  it('when pids are given, they are taken as they are', () => {
    const host = inCgroup('/web');
    assert.deepEqual(selectPids(host, { pids: [7, 100] }), [7, 100]);
    assert.deepEqual(selectPids(host, { cgroup: '/web' }), [100]);
    assert.deepEqual(selectPids(host, { container: 'web' }), [100]);
    assert.deepEqual(selectPids(host, { all: true }), [100, 999]);
  });
});
