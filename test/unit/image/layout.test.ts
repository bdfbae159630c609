import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { baseName, isBaseName, isPendingName, roughName } from '../../../src/image/layout.js';

const file = { dev: 0xfd01n, ino: 0x1234n, birthtimeNs: 1_700_000_000_123_456_789n };

describe('the name of a base', () => {
  it('when a file changes, the name of its base stays the same', () => {
    assert.equal(baseName(file), 'ghostkeep/base-fd01-1234-17979cfe3d85cd15.img');
    assert.equal(baseName({ ...file, ...{ ctimeNs: file.birthtimeNs } }), baseName(file));
  });

  it('when a file system has no time of birth, or one before 1970, a base has a name all the same', () => {
    for (const birthtimeNs of [0n, -1n]) assert.ok(isBaseName(baseName({ ...file, birthtimeNs })));
    assert.equal(baseName({ ...file, birthtimeNs: 0n }), 'ghostkeep/base-fd01-1234-0.img');
  });

  it('when a name is nearly that of a base, it counts as none, and no base has a name of a dump', () => {
    assert.ok(isBaseName(roughName(file)));
    for (const name of ['base-1-2-3.img', 'ghostkeep/base-1-2.img', 'ghostkeep/base-1-2-3.img.x'])
      assert.ok(!isBaseName(name), name);
    assert.ok(!isBaseName('ghostkeep/warm-0123456789ab-1.img'));
    assert.ok(!isPendingName(baseName(file)));
  });
});
