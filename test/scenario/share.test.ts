/** `ghostkeep share` on real xfs and btrfs: room comes back, and no byte changes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Shared } from '../../src/base/documents/generated/shared.js';
import { ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { type LoopFilesystem, onLoopDevice, usedBytes } from './loop-device.js';

const MiB = 1 << 20;
const size = 64 * MiB;

function dump(images: string): string {
  const { status, stderr } = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--digest']);
  assert.equal(status, 0, stderr);
  return images;
}

function share(...directories: string[]) {
  const { status, stdout, stderr } = ghostkeep(['share', '-D', ...directories, '--json']);
  return { status, stderr, shared: status === 0 ? (JSON.parse(stdout) as Shared) : undefined };
}

function assertHolds(t: TestContext, images: string, content: Buffer): void {
  const verified = ghostkeep(['verify', '-D', images]);
  assert.equal(verified.status, 0, verified.stdout);
  const to = `${temporaryFolder(t)}/back`;
  assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
  const [name] = fs.readdirSync(to);
  assert.ok(fs.readFileSync(`${to}/${name}`).equals(content), `${images} holds other bytes`);
}

/** Three checkpoints of one ghost, with what it held at each. */
function history(t: TestContext, disk: string): [directories: string[], contents: Buffer[]] {
  const content = randomBytes(size);
  const fd = ghostFile(t, temporaryFolder(t), 'ghost', content);
  const contents: Buffer[] = [];
  const directories = [0, 1, 2].map(night => {
    if (night > 0) content.write('changed', night * 9 * MiB + 5);
    fs.writeSync(fd, content, 0, size, 0);
    contents.push(Buffer.from(content));
    return dump(`${disk}/night-${night}`);
  });
  return [directories, contents];
}

describe('share', () => {
  for (const filesystem of ['xfs', 'btrfs'] as const satisfies LoopFilesystem[])
    it(`when three checkpoints on ${filesystem} are nearly equal, share keeps equal blocks once`, t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const disk = onLoopDevice(t, filesystem);
      const [directories, contents] = history(t, disk);
      const before = usedBytes(disk);
      const { shared, stderr } = share(...directories);
      assert.ok(shared, stderr);
      assert.deepEqual(
        shared.directories.map(({ paired }) => paired),
        [1, 1],
      );
      const most = 2 * size;
      assert.ok(Number(shared.sharedBytes) > most - MiB, `${shared.sharedBytes} of ${most} saved`);
      assert.ok(Number(shared.sharedBytes) < most, 'the blocks that differ are not shared');
      // btrfs frees an extent when all of it is shared, and each image has one that was changed.
      const least = filesystem === 'btrfs' ? size / 2 : most - MiB;
      const freed = before - usedBytes(disk);
      assert.ok(freed > least, `${freed} freed, ${shared.sharedBytes} said`);
      for (const [night, images] of directories.entries()) assertHolds(t, images, contents[night] as Buffer);
      // Each directory stands alone: the others may go.
      fs.rmSync(directories[0] as string, { recursive: true });
      assertHolds(t, directories[1] as string, contents[1] as Buffer);
    });

  it('when share is repeated, it saves nothing again, and says what was shared before', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [[first = '', second = '']] = history(t, onLoopDevice(t, 'xfs'));
    const once = share(first, second).shared;
    const again = share(first, second).shared;
    assert.equal(Number(again?.sharedBytes), 0);
    assert.equal(Number(again?.sharedBefore), Number(once?.sharedBytes));
  });

  it('when the file system shares no blocks, share says so and changes nothing', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [[first = '', second = ''], contents] = history(t, onLoopDevice(t, 'ext4'));
    const { status, stderr } = share(first, second);
    assert.equal(status, 1);
    assert.match(stderr, /shares no blocks between two files, as xfs and btrfs do.*\[NO_SHARING\]/);
    assertHolds(t, second, contents[1] as Buffer);
  });

  it('when the directories lie on two file systems, share says so', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [[first = '']] = history(t, onLoopDevice(t, 'xfs'));
    const [[second = '']] = history(t, onLoopDevice(t, 'xfs'));
    assert.match(share(first, second).stderr, /NO_SHARING/);
  });

  it('when a directory is packed, share refuses it before anything is shared, and names the command to run', t => {
    const [[first = '', second = '']] = history(t, temporaryFolder(t));
    assert.equal(ghostkeep(['pack', '-D', second, '--parent', first]).status, 0);
    assert.match(
      share(first, second).stderr,
      /night-1: 1 of its ghosts .* `ghostkeep materialize -D .*PACKED/,
    );
  });

  it('when share gets one directory, or one twice, it fails with a reason', t => {
    const folder = temporaryFolder(t);
    assert.equal(share(folder).status, 2);
    ghostFile(t, folder, 'ghost', 'content');
    const images = dump(`${folder}/images`);
    assert.match(share(images, `${images}/.`).stderr, /is named twice.*BAD_INPUT/);
  });
});
