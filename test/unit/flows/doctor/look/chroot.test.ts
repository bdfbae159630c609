import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chrootOf } from '../../../../../src/flows/doctor/look/chroot.js';
import { hostWith } from '../a-host.js';

/** A process whose mounts are at these places. */
function mountedAt(...places: string[]) {
  const { fake, context } = hostWith({});
  fake.host.processes.mounts = () =>
    places.map((place, id) => ({ id, mountPoint: Buffer.from(place) })) as never;
  return context;
}

describe('how doctor knows a chroot', () => {
  it('when nothing is mounted on the root folder, the process is in a chroot', () => {
    assert.equal(chrootOf(mountedAt('/proc', '/dev')), 'nothing is mounted on its root folder');
  });

  it('when the root folder is a mount, or no mount can be seen, doctor says nothing of a chroot', () => {
    assert.equal(chrootOf(mountedAt('/', '/proc')), undefined);
    assert.equal(chrootOf(mountedAt()), undefined);
  });
});
