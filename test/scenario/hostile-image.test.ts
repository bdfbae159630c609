/** `ghostkeep restore` of what anybody could have written. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest, ManifestGhost } from '../../src/base/documents/generated/manifest.js';
import { flows, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/** A dump of one file, as whoever has it in their hands may have changed it. */
function hostileImage(t: TestContext, change: (ghost: ManifestGhost) => void) {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'x', 'content');
  const images = `${folder}/images`;
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);
  assert.equal(dump.status, 0, dump.stderr);
  const path = `${images}/ghostkeep/manifest.json`;
  const manifest = JSON.parse(fs.readFileSync(path, 'utf8')) as Manifest;
  change(manifest.ghosts[0] as ManifestGhost);
  fs.writeFileSync(path, JSON.stringify(manifest));
  return {
    images,
    to: `${folder}/back`,
    restore: () => ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]),
  };
}

/** cap_setuid=ep */
const capability = Buffer.from('0100000280000000000000000000000000000000', 'hex').toString('base64');

function xattrsAt(t: TestContext, path: string): string[] {
  const fd = fs.openSync(path, 'r');
  t.after(() => fs.closeSync(fd));
  return Object.keys(flows().host.engine.xattrs(fd));
}

describe('names of extended attributes in a hostile manifest', () => {
  const names = [
    ['by its low bytes', '\u0173ecurity.capability\u0100\udc80'],
    ['before a NUL', 'security.capability\u0000\udc80'],
    ['before a NUL, in UTF-8', 'security.capability\u0000x'],
  ] as const;
  for (const [how, name] of names)
    it(`when one is security.capability ${how}, nobody gets it`, t => {
      if (!needs(t, isRoot, 'capabilities are set by root')) return;
      const { to, restore } = hostileImage(t, ghost => {
        ghost.linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 0, hostGid: 0 };
        ghost.xattrs = { [name]: capability };
      });
      const { status, stderr } = restore();
      if (fs.existsSync(`${to}/ghost-1`)) assert.deepEqual(xattrsAt(t, `${to}/ghost-1`), []);
      assert.equal(status, 1);
      assert.match(stderr, /stands for no name of an extended attribute.*\[MANIFEST_INVALID\]/);
    });
});
