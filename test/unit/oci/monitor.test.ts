import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseMonitor } from '../../../src/oci/monitor.js';

/** /proc/PID/cmdline with a line for each word. test/fixtures/monitors/README.md says where from. */
const monitor = (name: string) =>
  parseMonitor(
    readFileSync(new URL(`../../fixtures/monitors/${name}`, import.meta.url), 'utf8')
      .split('\n')
      .slice(0, -1),
  );
const id = '78f99c7130c66d710f52c1f8582cab436a0bbe5769c76730b0fdef1fa9cd0e12';

describe('parseMonitor', () => {
  it("when the process is containerd's shim, the result has the daemon's socket", () => {
    const socket = '/run/containerd/containerd.sock';
    assert.deepEqual(monitor('containerd-shim'), { engine: 'containerd', socket });
  });

  it("when the process is Podman's conmon, the folder is the bundle's", () => {
    assert.deepEqual(monitor('podman'), {
      engine: 'podman',
      folder: `/var/lib/containers/storage/overlay-containers/${id}/userdata`,
    });
  });

  it('when the process is the conmon of a `podman exec`, its folder is not the one for images', () => {
    assert.equal(monitor('podman-exec'), undefined);
  });

  it("when the process is CRI-O's conmon, the folder is the one that outlives a reboot", () => {
    assert.deepEqual(monitor('cri-o'), {
      engine: 'cri-o',
      folder:
        '/var/lib/containers/storage/overlay-containers/4f1c0d2e9a6b4f1c0d2e9a6b4f1c0d2e9a6b4f1c0d2e9a6b4f1c0d2e9a6b4f1c/userdata',
    });
  });

  it('when a command line belongs to another program, or lacks what we need, the process is no monitor', () => {
    for (const line of [
      'containerd-shim-runc-v1 -address /s',
      '/usr/bin/containerd-shim-kata-v2 -address /s',
      'containerd-shim-runc-v2 -id a -address',
      'containerd-shim-runc-v2 start',
      'my-conmon -b /x --exit-command /usr/bin/podman',
      'conmon --version',
      'conmon -c id -b',
      'bash',
      '',
    ])
      assert.equal(parseMonitor(line.split(' ')), undefined, line);
    assert.equal(parseMonitor([]), undefined);
  });
});
