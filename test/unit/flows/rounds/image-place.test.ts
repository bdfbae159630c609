import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { writeBaseRecord } from '../../../../src/flows/bases/base-records.js';
import { removeEnded } from '../../../../src/flows/bases/leftover-bases.js';
import { chooseDirectory } from '../../../../src/flows/rounds/image-place.js';
import { fakeContext, fakeFile } from '../../fake-host.js';

const socket = '/run/containerd/containerd.sock';
const host = 'mnt:[1]';

/** A machine with two containers of containerd, whose first processes are 100 and 200. */
function machine() {
  const context = fakeContext();
  const { processes, files } = context.host;
  processes.listeners.set(socket, 40);
  processes
    .add(40, { namespace: host })
    .add(50, { namespace: host, commandLine: ['containerd-shim-runc-v2', '-address', socket] })
    .add(100, { parent: 50 })
    .add(200, { parent: 50 })
    .add(999, { namespace: host, inRoot: { '/tmp': fakeFile() } });
  files.makeDirectory('/tmp');
  return context;
}

describe('chooseDirectory', () => {
  it('when others use the same folder, bases get a folder that nobody can guess, and the next round takes that one again', () => {
    const context = machine();
    const first = chooseDirectory(context, [100]);
    assert.match(first, /^\/tmp\/ghostkeep-bases-[0-9a-f]{16}$/);
    assert.notEqual(chooseDirectory(context, [100]), first, 'there is no record of it');
    context.host.files.makeDirectory(first);
    writeBaseRecord(context, first, [100]);
    assert.equal(chooseDirectory(context, [100]), first);
    assert.notEqual(chooseDirectory(context, [200]), first, 'another container');
  });

  it('when earlier bases lie elsewhere, they do not decide where the next ones go', () => {
    for (const elsewhere of ['/tmp/mine', '/ckpt/ghostkeep-bases-0123456789abcdef']) {
      const context = machine();
      context.host.files.makeDirectory(elsewhere);
      writeBaseRecord(context, elsewhere, [100]);
      assert.match(chooseDirectory(context, [100]), /^\/tmp\/ghostkeep-bases-/);
    }
  });

  it('when the container ends, the folder that we chose goes with its last base, unless something else is in it', () => {
    for (const more of [[], ['/notes']]) {
      const context = machine();
      const { files, processes } = context.host;
      const folder = chooseDirectory(context, [100]);
      for (const path of [folder, `${folder}/ghostkeep`]) files.makeDirectory(path);
      files.put(`${folder}/ghostkeep/base-801-1267-0.img`, 'base');
      for (const name of more) files.put(`${folder}${name}`, 'mine');
      writeBaseRecord(context, folder, [100]);
      processes.end(100);
      removeEnded(context);
      assert.equal(files.exists(`${folder}/ghostkeep`), false);
      assert.equal(files.exists(folder), more.length > 0);
    }
  });

  it('when a user has chosen the folder of bases, it stays', () => {
    const context = machine();
    const { files, processes } = context.host;
    for (const path of ['/ckpt', '/ckpt/ghostkeep']) files.makeDirectory(path);
    files.put('/ckpt/ghostkeep/base-801-1267-0.img', 'base');
    writeBaseRecord(context, '/ckpt', [100]);
    processes.end(100);
    removeEnded(context);
    assert.equal(files.exists('/ckpt/ghostkeep'), false);
    assert.equal(files.exists('/ckpt'), true);
  });
});
