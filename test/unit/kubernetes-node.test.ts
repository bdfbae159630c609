/** node.sh of the DaemonSet, on a folder that stands for the node: pods that are killed, and nodes without room. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../packaging/kubernetes/node.sh', import.meta.url));

describe('node.sh of the DaemonSet', () => {
  let top: string;
  let pods: ChildProcess[];
  const at = (...parts: string[]) => path.join(top, ...parts);
  const write = (name: string, text: string, mode = 0o755) => {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), text, { mode });
  };

  beforeEach(() => {
    [top, pods] = [mkdtempSync(path.join(tmpdir(), 'ghostkeep-node-')), []];
    write('node/bin/bash', '');
    // The part that install.sh needs comes last, so that it is missing when the copy has stopped half way.
    write(
      'files/install.sh',
      'cat "$(dirname "$0")/z/part" >>"$NODE_LOG" || exit 1\nls "$(dirname "$0")" >>"$NODE_LOG"\n',
    );
    write('files/z/part', 'whole\n');
    write(
      'bin/chroot',
      '#!/bin/sh\nroot=$1; shift\ncase $1 in\nuname) echo node ;;\n/bin/bash) sh "$root$2" ;;\nesac\n',
    );
    mkdirSync(at('node/var/lib'), { recursive: true });
  });
  afterEach(() => {
    for (const pod of pods) pod.kill('SIGKILL');
    rmSync(top, { recursive: true, force: true });
  });

  function start(): { pod: ChildProcess; ended: Promise<unknown[]> } {
    const pod = spawn('/bin/sh', [script], {
      env: {
        PATH: `${at('bin')}:/usr/bin:/bin`,
        HOST: at('node'),
        FILES: at('files'),
        READY: at('ready'),
        NODE_LOG: at('log'),
      },
      stdio: 'ignore',
    });
    pods.push(pod);
    return { pod, ended: once(pod, 'exit') };
  }
  const log = () => (existsSync(at('log')) ? readFileSync(at('log'), 'utf8') : '');

  async function becomesReady(): Promise<void> {
    for (let tries = 0; !existsSync(at('ready')); tries++) {
      assert.ok(tries < 600, 'the pod is ready');
      await sleep(50);
    }
  }

  it('node.sh runs install.sh from whole files after a pod was killed while it copied them', async () => {
    write('node/var/lib/ghostkeep/daemonset.new/install.sh', 'echo half >>"$NODE_LOG"');
    const { pod, ended } = start();
    await becomesReady();
    assert.equal(log(), 'whole\ninstall.sh\nz\n');
    pod.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(readdirSync(at('node/var/lib')), [], 'nothing stays on the node');
  });

  it('node.sh does not run install.sh when the disk has no room for its files, and leaves none of them', async () => {
    write('bin/cp', '#!/bin/sh\nfor to; do :; done\nmkdir "$to"\n/bin/cp "$2/install.sh" "$to"\nexit 1\n');
    write('files/install.sh', 'echo half >>"$NODE_LOG"');
    const { ended } = start();
    assert.deepEqual(await Promise.race([ended, sleep(30_000, 'still runs', { ref: false })]), [1, null]);
    assert.equal(log(), '');
    assert.deepEqual(readdirSync(at('node/var/lib/ghostkeep')), []);
  });
});
