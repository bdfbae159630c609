import assert from 'node:assert/strict';
import { it } from 'node:test';
import { collectAfter } from '../../../src/base/memory.js';
import { GateDump } from '../../../src/flows/gate/gate-dump.js';
import { fakeContext, fakeFile, fakeMount, opened } from '../fake-host.js';

it('the memory that the warm pass of many ghosts leaves is collected before the freeze, so that nothing is collected during it', async () => {
  let collections = 0;
  // In the executable, Bun is a global of the runtime.
  Object.assign(globalThis, { Bun: { gc: () => (collections += 1) } });
  collectAfter(11 << 20);
  assert.equal(collections, 0, 'so few bytes are not worth it');
  const context = fakeContext();
  context.host.files.folders.add('/img');
  const fds = Array.from({ length: 32 }, (_, n) =>
    opened(fakeFile({ ino: BigInt(n + 1) }), `/${n} (deleted)`),
  );
  context.host.processes.add(100, { mounts: [fakeMount(30)], fds: Object.fromEntries(fds.entries()) });
  await new GateDump(context, '/img').warm(100);
  assert.equal(collections, 1);
  collectAfter(11 << 20);
  assert.equal(collections, 1, 'the count has begun anew');
  collectAfter(2 << 20);
  assert.equal(collections, 2);
});
