import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LinkedNames } from '../../../../src/base/documents/generated/manifest.js';
import { findLinkedNames, verifyLinkedNames } from '../../../../src/flows/choose/linked-names.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { aManifest } from '../../a-manifest.js';
import { errno, type FakeHost, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

const root = Buffer.from('/');

/**
 * A process that holds a file which was /data/x and is /data/other now, and the manifest's record of that
 * name.
 */
function dumped(): { host: FakeHost; linkedNames: LinkedNames | undefined } {
  const host = fakeHost();
  const file = fakeFile({ nlink: 1 });
  host.processes.add(host.processes.self(), { mounts: [fakeMount(1, { root })] });
  host.processes.add(100, {
    mounts: [fakeMount(30, { mountPoint: Buffer.from('/data'), root: Buffer.from('/vol') })],
    inRoot: { '/data/other': file },
    fds: { 3: opened(file, '/data/x (deleted)') },
  });
  host.files.statOn = (_mount, name) => (String(name) === 'vol/other' ? file.stat : undefined);
  return { host, linkedNames: findLinkedNames(host, findGhosts(host.processes, [100]).ghosts) };
}
const damage = (host: FakeHost, linkedNames: LinkedNames | undefined) =>
  verifyLinkedNames(host, aManifest(linkedNames ? { linkedNames } : {})).map(
    ({ code, message }) => `${code} ${message.split(':')[0]}`,
  );

describe('names of files whose content is left out', () => {
  it('when a file whose content is left out still has its names, verify reports no damage', () => {
    const { host, linkedNames } = dumped();
    assert.deepEqual(linkedNames, {
      host: 'this machine',
      files: [
        {
          mountPoint: { path: '/' },
          filesystem: 'ext4',
          name: { path: 'vol/other' },
          ino: 4711,
          birth: '4.000000004',
        },
      ],
    });
    assert.deepEqual(damage(host, linkedNames), []);
  });

  it('when a name of a file whose content is left out is gone, or another file has it, verify reports damage', () => {
    const { host, linkedNames } = dumped();
    host.files.statOn = () => undefined;
    assert.deepEqual(damage(host, linkedNames), ['NAME_GONE /vol/other is gone']);
    host.files.statOn = () => fakeFile({ ino: 4712n }).stat;
    assert.deepEqual(damage(host, linkedNames), ['NAME_GONE /vol/other is another file by now']);
    // The inode number was given out again, to another file.
    for (const values of [{ birthtimeNs: 5n }, { mode: 0o120777 }]) {
      host.files.statOn = () => fakeFile(values).stat;
      assert.deepEqual(damage(host, linkedNames), ['NAME_GONE /vol/other is another file by now']);
    }
  });

  it('when the names of a file that is left out cannot be checked (another host, no mount, hidden), verify reports no damage', () => {
    const { host, linkedNames } = dumped();
    host.files.statOn = () => undefined;
    assert.deepEqual(damage({ ...host, machine: () => 'another' }, linkedNames), []);
    host.files.statOn = () => {
      throw errno('EXDEV');
    };
    assert.deepEqual(damage(host, linkedNames), []);
    host.files.statOn = () => undefined;
    for (const mounts of [[], [fakeMount(1, { root, filesystem: 'nfs4' })]]) {
      host.processes.add(host.processes.self(), { mounts });
      assert.deepEqual(damage(host, linkedNames), []);
    }
  });

  it('when the manifest names a file server, verify looks at no file there', () => {
    const { host, linkedNames } = dumped();
    host.processes.add(host.processes.self(), { mounts: [fakeMount(1, { root, filesystem: 'nfs4' })] });
    host.files.statOn = () => assert.fail('it was looked at');
    const files = linkedNames?.files.map(file => ({ ...file, filesystem: 'nfs4' })) ?? [];
    assert.deepEqual(damage(host, { host: 'this machine', files }), []);
  });
});
