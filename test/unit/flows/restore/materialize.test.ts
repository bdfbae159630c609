import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import { makeDev } from '../../../../src/base/units.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { GateRestore } from '../../../../src/flows/gate/gate-restore.js';
import { materialize } from '../../../../src/flows/restore/materialize.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeContext, fakeContext, Interrupted } from '../../fake-host.js';

const images = '/img';
const manifestPath = `${images}/ghostkeep-manifest.json`;
const image = Buffer.concat([
  encodeGhostHead({
    uid: 0,
    gid: 0,
    mode: 0o100644,
    dev: makeDev(8n, 1n),
    ino: 4711n,
    size: 5n,
    atimeNs: 1_000_000_000n,
    mtimeNs: 2_000_000_000n,
  }),
  Buffer.from('ghost'),
]);
const ghost = aManifestGhost({
  data: {
    bytes: 5,
    chunks: 0,
    unwritten: 0,
    imageBytes: image.length,
    engine: 'seek',
    fallbacks: 0,
    ways: [],
    allocation: [
      { offset: 4096, length: 8192 },
      { offset: 1 << 20, length: 4096 },
    ],
  },
});

function sealed(values: Partial<Manifest> = {}): FakeContext {
  const context = fakeContext();
  const { files } = context.host;
  files.put(manifestPath, JSON.stringify(aManifest({ criu: false, ghosts: [ghost], ...values })));
  files.put(`${images}/ghost-file-1.img`, image);
  return context;
}
const manifestOf = ({ host }: FakeContext) => JSON.parse(host.files.get(manifestPath).toString()) as Manifest;
const wish = { images, preserveAllocation: true };

describe('materialize', () => {
  it('when the dump is whole, materialize says so and writes nothing', async () => {
    const context = sealed();
    assert.deepEqual(await materialize(context, { images }), {
      images,
      ghosts: 1,
      preserveAllocation: false,
      allocationBytes: 12288,
      allocationUnknown: [],
    });
    assert.equal(context.host.files.changes, 0);
  });

  it('when space is to be allocated again, the manifest records it, keeps all other fields, and later calls do not undo it', async () => {
    const context = sealed({ newer: 'field' } as Partial<Manifest>);
    const before = manifestOf(context);
    assert.equal((await materialize(context, wish)).preserveAllocation, true);
    assert.deepEqual(manifestOf(context), { ...before, preserveAllocation: true });
    assert.equal(context.host.files.changes, 1);
    assert.equal((await materialize(context, wish)).preserveAllocation, true);
    assert.equal((await materialize(context, { images })).preserveAllocation, true);
    assert.equal(context.host.files.changes, 1, 'nothing is written twice');
  });

  it('when the ranges of a ghost are not known, the result names the ghost', async () => {
    const unknown = aManifestGhost({ id: 1 });
    assert.deepEqual((await materialize(sealed({ ghosts: [unknown] }), wish)).allocationUnknown, [1]);
  });

  const inventory = (content: string) => Buffer.from(content).toString('base64');
  function rewritten(content = 'new'): FakeContext {
    const context = sealed({ inventory: inventory('old') });
    context.host.files.put(`${images}/inventory.img`, content);
    return context;
  }
  const accept = { images, acceptChangedInventory: true };

  it('when inventory.img was rewritten and that is accepted, the manifest has the new one, and the restore check passes', async () => {
    const context = rewritten();
    const gate = new GateRestore(context, images, () => undefined);
    await assert.rejects(materialize(context, { images }), ghostkeepError('IMAGE_MISMATCH', 'inventory.img'));
    await assert.rejects(gate.check(), ghostkeepError('IMAGE_MISMATCH', '--accept-changed-inventory'));
    const before = manifestOf(context);
    assert.equal((await materialize(context, accept)).acceptedInventory, true);
    assert.deepEqual(manifestOf(context), { ...before, inventory: inventory('new') });
    await gate.check();
    assert.equal((await materialize(context, accept)).acceptedInventory, undefined);
    assert.equal(context.host.files.changes, 1, 'nothing is written twice');
  });

  it('when any other file is damaged, or inventory.img is empty or gone, the change is not accepted', async () => {
    const damaged = rewritten();
    damaged.host.files.put(`${images}/ghost-file-1.img`, image.subarray(0, image.length - 1));
    const gone = rewritten();
    gone.host.files.contents.delete(`${images}/inventory.img`);
    const cases: [FakeContext, string][] = [
      [damaged, 'IMAGE_TRUNCATED'],
      [rewritten(''), 'IMAGE_MISMATCH'],
      [gone, 'IMAGE_MISMATCH'],
    ];
    for (const [context, code] of cases) {
      await assert.rejects(materialize(context, accept), ghostkeepError(code as 'IO'), code);
      assert.equal(context.host.files.changes, 0);
    }
  });

  it('when materialize is interrupted, the old manifest stays', async () => {
    const context = sealed();
    const before = context.host.files.snapshot();
    context.host.files.interruptAt = 1;
    await assert.rejects(materialize(context, wish), Interrupted);
    assert.deepEqual(context.host.files.snapshot(), before);
  });

  it('when the dump is damaged, not sealed, half sealed or missing, materialize refuses and writes nothing', async () => {
    const damaged = sealed();
    damaged.host.files.put(`${images}/ghost-file-1.img`, image.subarray(0, image.length - 1));
    const half = sealed();
    half.host.files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(aManifest({ state: 'dumped' })));
    const cases: [FakeContext, string][] = [
      [damaged, 'IMAGE_TRUNCATED'],
      [sealed({ state: 'dumped' }), 'MANIFEST_MISSING'],
      [half, 'MANIFEST_MISSING'],
      [fakeContext(), 'MANIFEST_MISSING'],
      [sealed({ preserveAllocation: 'yes' } as unknown as Partial<Manifest>), 'MANIFEST_INVALID'],
    ];
    for (const [context, code] of cases) {
      await assert.rejects(materialize(context, wish), ghostkeepError(code as 'IO'), code);
      assert.equal(context.host.files.changes, 0);
    }
  });
});
