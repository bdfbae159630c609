import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMaps, parseWritableShared } from '../../../../src/host/proc/maps.js';
import { fixture } from '../../fixture.js';

describe('parseMaps', () => {
  const maps = parseMaps(fixture('odd-names/maps'));

  it('when a mapping has an inode, parseMaps lists it by its name in map_files, and lists no other mapping', () => {
    assert.deepEqual(
      maps.map(({ address, shared, writable }) => [address, shared, writable]),
      [
        ['55d0c1e00000-55d0c1e02000', false, false],
        ['7f0000000000-7f0000001000', false, false],
        ['7f0000001000-7f0000002000', true, true],
        ['400000-401000', false, false],
        ['7f0000005000-7f0000006000', false, false],
        ['7f0000007000-7f0000008000', true, false],
        ['7f0000006000-7f0000007000', true, true],
      ],
    );
  });

  it('when the names of mapped files are odd, different files have different labels', () => {
    assert.equal(new Set(maps.map(({ label }) => label)).size, maps.length);
    const last = maps.at(-1)?.label ?? '';
    assert.deepEqual(
      Buffer.from(last, 'latin1').subarray(-21),
      Buffer.from('rriage\rreturn\xff (deleted)', 'latin1').subarray(-21),
    );
  });

  it('when there are no mappings, as in a kernel thread, the list is empty', () => {
    assert.deepEqual(parseMaps(Buffer.alloc(0)), []);
    assert.deepEqual(parseMaps(Buffer.from('garbage\n\n')), []);
  });
});

describe('the first segment of SysV shared memory', () => {
  it('the first segment of SysV shared memory has inode 0 and is listed, and the heap is not', () => {
    const [only, ...more] = parseMaps(
      Buffer.from(
        '7f0000000000-7f0000001000 rw-s 00000000 00:01 0                          /SYSV00000000 (deleted)\n' +
          '55d000000000-55d000001000 rw-p 00000000 00:00 0                          [heap]\n' +
          '7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n',
      ),
    );
    assert.deepEqual([only?.label, more], ['00:01 0 /SYSV00000000 (deleted)', []]);
  });
});

describe('parseWritableShared', () => {
  it('parseWritableShared lists only shared writable mappings, whatever bytes their names have', () => {
    const maps = fixture('odd-names/maps');
    assert.deepEqual(
      parseWritableShared(maps),
      parseMaps(maps).filter(({ writable, shared }) => writable && shared),
    );
  });
});
