import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imageFolders } from '../../../../../src/flows/doctor/look/image-folders.js';
import { hostWith } from '../a-host.js';

describe('the folders for images', () => {
  it('doctor looks for images in the folders of Podman only where Podman or CRI-O is installed', () => {
    const enginesOf = (programs: Record<string, string>) => {
      const { context, fake } = hostWith({}, programs);
      fake.host.processes.statInRoot = () => ({ dev: 1n, ino: 1n, birthtimeNs: 0n, ctimeNs: 0n }) as never;
      return imageFolders(context).map(({ engine }) => engine);
    };
    const others = ['docker', 'kubelet'];
    assert.deepEqual(enginesOf({}), others);
    assert.deepEqual(enginesOf({ '/usr/bin/podman': '' }), ['podman', ...others]);
    assert.deepEqual(enginesOf({ '/usr/bin/crio': '' }), ['podman, CRI-O', ...others]);
  });
});
