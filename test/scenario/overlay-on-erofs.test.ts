/** An overlay whose lower layer answers FIEMAP and is none of the file systems that we trust. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { run, unmount } from './loop-device.js';

const block = 4096;
/** Files below 12 KiB are copied whole, without asking for a map. */
const text = Buffer.alloc(4 * block, 'the content of a file of the lower layer, ');

/**
 * An image of erofs with one file, FILE. Block 0 has the superblock, 1 the inodes, 2 the root folder, 3 the
 * content. Source: fs/erofs/erofs_fs.h
 */
function erofsImage(): Buffer {
  const image = Buffer.alloc(7 * block);
  image.writeUInt32LE(0xe0f5e1e2, 1024);
  image.writeUInt8(12, 1024 + 12); // a block has 2^12 bytes
  image.writeBigUInt64LE(2n, 1024 + 16); // inodes
  image.writeUInt32LE(7, 1024 + 36); // blocks
  image.writeUInt32LE(1, 1024 + 40); // the block of the inodes
  const names = Buffer.concat([
    direntOf(0n, 36, 2),
    direntOf(0n, 37, 2),
    direntOf(1n, 39, 1),
    Buffer.from('...file'),
  ]);
  names.copy(image, 2 * block);
  text.copy(image, 3 * block);
  inodeOf(0o040755, 2, names.length, 2).copy(image, block);
  inodeOf(0o100644, 1, text.length, 3).copy(image, block + 32);
  return image;
}

function direntOf(inode: bigint, nameAt: number, type: number): Buffer {
  const dirent = Buffer.alloc(12);
  dirent.writeBigUInt64LE(inode, 0);
  dirent.writeUInt16LE(nameAt, 8);
  dirent.writeUInt8(type, 10);
  return dirent;
}

function inodeOf(mode: number, links: number, bytes: number, firstBlock: number): Buffer {
  const inode = Buffer.alloc(32);
  inode.writeUInt16LE(mode, 4);
  inode.writeUInt16LE(links, 6);
  inode.writeUInt32LE(bytes, 8);
  inode.writeUInt32LE(firstBlock, 16);
  return inode;
}

describe('an overlay on erofs', () => {
  it('when a file of an overlay lies on a file system that we do not know, it is read and its map is not asked', t => {
    const known = fs.readFileSync('/proc/filesystems', 'utf8').includes('erofs');
    if (!needs(t, isRoot && known, 'mounting erofs needs root, and a kernel that has it')) return;
    const folder = temporaryFolder(t);
    const at = (name: string) => `${folder}/${name}`;
    for (const name of ['lower', 'upper', 'work', 'both']) fs.mkdirSync(at(name));
    fs.writeFileSync(at('disk'), erofsImage());
    const mounted: string[] = [];
    try {
      run('mount', '-t', 'erofs', '-o', 'loop,ro', at('disk'), at('lower'));
      mounted.unshift(at('lower'));
      const layers = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
      run('mount', '-t', 'overlay', 'test', '-o', layers, at('both'));
      mounted.unshift(at('both'));
      const fd = fs.openSync(at('both/file'), 'r');
      try {
        fs.rmSync(at('both/file'));
        const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', at('images')]);
        assert.equal(dump.status, 0, dump.stderr);
      } finally {
        fs.closeSync(fd);
      }
    } finally {
      for (const each of mounted) unmount(each);
    }
    assert.match(
      ghostkeep(['show', '--verbose', '-D', at('images')]).stdout,
      /1 by read: the file system below/,
    );
    const { status, stderr } = ghostkeep(['restore', '-D', at('images'), '--to', at('back')]);
    assert.equal(status, 0, stderr);
    assert.deepEqual(fs.readFileSync(at('back/ghost-1')), text);
  });
});
