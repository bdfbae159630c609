import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest, ManifestGhost } from '../../../src/base/documents/generated/manifest.js';
import { encodeManifest } from '../../../src/image/encode.js';

const anyRoom = { bytes: 1 << 30, values: 1 << 30 };
const withGhosts = (count: number) =>
  ({
    format: 1,
    note: 'a text with\n "ghosts": [] in it',
    ghosts: Array.from({ length: count }, (_, id) => ({ id, path: '/a\n "b', holders: [{ pid: 1 }] })),
    state: 'sealed',
  }) as unknown as Manifest;

describe('encodeManifest', () => {
  it('when there are no ghosts, some, or many, the text is that of JSON.stringify', () => {
    for (const count of [0, 1, 2, 255, 256, 257, 600]) {
      const manifest = withGhosts(count);
      const text = `${JSON.stringify(manifest, null, 1)}\n`;
      assert.equal(encodeManifest(manifest, anyRoom)?.toString('utf8'), text);
    }
  });

  it('when a document has as many bytes as there is room for, it is written; with one less it is not', () => {
    const manifest = withGhosts(300);
    const bytes = encodeManifest(manifest, anyRoom)?.length ?? 0;
    assert.equal(encodeManifest(manifest, { ...anyRoom, bytes })?.length, bytes);
    assert.equal(encodeManifest(manifest, { ...anyRoom, bytes: bytes - 1 }), undefined);
    assert.equal(encodeManifest(manifest, { ...anyRoom, values: 300 }), undefined);
    assert.equal(encodeManifest(manifest, { ...anyRoom, values: 3000 })?.length, bytes);
  });

  it('when a ghost has its own key "ghosts", the right place is found', () => {
    const inner = { id: 1, ghosts: [] } as unknown as ManifestGhost;
    const manifest = { first: { ghosts: [] }, ghosts: [inner] } as unknown as Manifest;
    assert.deepEqual(JSON.parse(String(encodeManifest(manifest, anyRoom))), manifest);
  });
});
