/** A manifest with one ghost, to be varied. */
import type { Manifest, ManifestGhost } from '../../src/base/documents/generated/manifest.js';

export function aManifestGhost(values: Partial<ManifestGhost> = {}): ManifestGhost {
  return {
    id: 1,
    class: 'unlinked',
    path: '/data/tmp',
    dev: '8:1',
    ino: 4711,
    size: 5,
    allocated: 4096,
    nlink: 0,
    filesystem: 'ext4',
    mounts: [30],
    key: ['file[1e:1267]'],
    holders: [{ pid: 100, via: 'fd', fd: 3, flags: 2, position: 0, writable: true, shared: true }],
    image: 'ghost-file-1.img',
    mode: 0o100644,
    uid: 0,
    gid: 0,
    physicalDev: '8:1',
    atime: '1.000000001',
    mtime: '2.000000002',
    paths: [{ key: 'file[1e:1267]', mount: 30, path: '/data/tmp' }],
    xattrs: {},
    ...values,
  };
}

export function aManifest(values: Partial<Manifest> = {}): Manifest {
  return {
    format: 'ghostkeep',
    version: 1,
    tool: 'ghostkeep test',
    state: 'sealed',
    created: '1970-01-01T00:00:00.000Z',
    mountNamespace: true,
    criu: true,
    ghosts: [aManifestGhost()],
    ...values,
  };
}
