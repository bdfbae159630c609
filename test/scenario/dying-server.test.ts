/**
 * A file server answers when a dump looks for dead ones, and dies while the dump reads from it. A deadline ends
 * the dump, which would wait without end.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { farHolder, fuseServer } from './fuse-server.js';
import { ghostkeep, temporaryFolder } from './ghostkeep.js';

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);

describe('a file server that dies', () => {
  for (const [last, what] of [
    ['statfs', 'the ghost cannot be opened'],
    ['read', 'the ghost cannot be read to its end'],
  ] as const)
    it(`when a file server dies after it has answered and ${what}, dump ends by its deadline and leaves no part of a dump`, async t => {
      const server = await fuseServer(t, last);
      if (!server) return;
      const hidden = '.fuse_hidden0000000200000001';
      const pid = await farHolder(t, server, hidden, 4 << 20);
      // A file is opened and closed, so that the kernel learns that the server has no flush. A flush could
      // not be interrupted.
      fs.closeSync(fs.openSync(`${server.mount}/${hidden}`, 'r'));
      const images = `${temporaryFolder(t)}/images`;
      const { status, stderr } = ghostkeep(['dump', '--pid', String(pid), '-D', images], { waitMs: 60_000 });
      const why = `cannot dump ghosts of ${server.mount} (fuse.server) into ${images}: nothing moved for 30 s`;
      const wayOut = 'nothing is dumped; if its server does not answer, dump again when it is back,';
      const rest = 'or with --allow-missing, which leaves out what a silent server has';
      assert.deepEqual([status, lastLine(stderr)], [1, `ghostkeep: ${why}; ${wayOut} ${rest} [DEADLINE]`]);
      assert.deepEqual(fs.readdirSync(images), []);
      // This is the way out that the message names.
      const again = ghostkeep(['dump', '--pid', String(pid), '-D', images, '--allow-missing']);
      assert.equal(again.status, 0, again.stderr);
      assert.ok(fs.existsSync(`${images}/ghost-file-1.img`));
    });

  for (const last of ['statfs', 'read'] as const)
    it(`when a file server dies after a ${last}, check ends by its deadline and leaves nothing in the directory`, async t => {
      const server = await fuseServer(t, last);
      if (!server) return;
      const hidden = '.fuse_hidden0000000200000001';
      const pid = await farHolder(t, server, hidden, 4 << 20);
      fs.closeSync(fs.openSync(`${server.mount}/${hidden}`, 'r'));
      const images = temporaryFolder(t);
      const { status, stderr } = ghostkeep(['check', '--pid', String(pid), '-D', images], { waitMs: 60_000 });
      const why =
        'cannot check the processes: nothing moved for 30 s; a file server that does not answer is likely';
      assert.deepEqual([status, lastLine(stderr)?.split(', and')[0]], [1, `ghostkeep: ${why}`]);
      assert.match(stderr, /nothing was changed \[DEADLINE\]\n$/);
      assert.deepEqual(fs.readdirSync(images), []);
    });
});
