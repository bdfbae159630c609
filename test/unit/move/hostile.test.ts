/** The reader with frames of a hostile sender: it refuses, or hands on what a receiver may rely on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GhostkeepError } from '../../../src/base/errors.js';
import { type Operations, Reader } from '../../../src/move/reader.js';
import { randomFrom, seed } from '../../random.js';
import { hostileFrames } from '../hostile-stream.js';

const streams = Number(process.env['GHOSTKEEP_STREAMS'] ?? 8000);
const block = 16384n;

/** Checks on its own what the reader promises. */
function relying(): Operations {
  let ghost: { size: bigint; at: bigint; isRepair: boolean } | undefined;
  let file: { size: bigint; at: bigint } | undefined;
  const keys = new Set<string>();
  const range = (offset: bigint, length: bigint) => {
    assert.ok(ghost && length > 0n && offset % block === 0n);
    assert.ok(ghost.isRepair ? offset >= ghost.at : offset === ghost.at);
    ghost.at = offset + length;
    assert.ok(ghost.at <= ghost.size && (ghost.at % block === 0n || ghost.at === ghost.size));
  };
  return {
    hello: ({ purpose }) => assert.ok(['round', 'dump', 'images'].includes(purpose)),
    ghost({ key, size, isRepair }) {
      assert.match(key, /^[0-9a-f]{1,16}-[0-9a-f]{1,16}-[0-9a-f]{1,16}$/);
      assert.ok(!ghost && size >= 0n && size < 1n << 63n);
      assert.equal(isRepair, keys.has(key));
      keys.add(key);
      ghost = { size, at: 0n, isRepair };
    },
    data: (offset, bytes) => range(offset, BigInt(bytes.length)),
    zero: (offset, length) => range(offset, length),
    same(offset, length, digest) {
      assert.ok(length <= 16n << 20n && digest.length === 32);
      range(offset, length);
    },
    patch({ offset, length, digest, runs, bytes }) {
      assert.ok(length <= 16n << 20n && digest.length === 32 && bytes.byteLength > 0);
      assert.ok(runs.byteLength % 8 === 0 && runs.byteLength <= 8 * 192);
      range(offset, length);
    },
    end() {
      assert.ok(ghost && (ghost.isRepair || ghost.at === ghost.size));
      ghost = undefined;
    },
    commit(list) {
      assert.ok(!ghost && list.every(key => keys.has(key)) && new Set(list).size === list.length);
    },
    file({ name, size, mode }) {
      assert.ok(!file && size >= 0n && mode >= 0 && mode <= 0o777);
      assert.match(name, /^(ghostkeep-manifest\.json|(?!ghostkeep)[A-Za-z0-9][A-Za-z0-9._-]*)$/);
      file = { size, at: 0n };
    },
    fileData(offset, bytes) {
      assert.ok(file && offset === file.at);
      file.at += BigInt(bytes.length);
      assert.ok(file.at <= file.size);
    },
    fileEnd(digest) {
      assert.ok(file && file.at === file.size && digest.length === 32);
      file = undefined;
    },
    seal({ ghosts, gone }) {
      assert.ok(!file);
      for (const each of gone) assert.match(each, /^[0-9a-f-]{5,50}$/);
      for (const { key, image } of ghosts) {
        assert.match(key, /^[0-9a-f-]{5,50}$/);
        assert.match(image, /^(ghost-file|ghostkeep-linked)-[0-9a-f]{1,8}\.img$/);
      }
    },
  };
}

describe('the reader with a hostile sender', () => {
  it(`the reader refuses every frame of a hostile sender that breaks the protocol (GHOSTKEEP_SEED=${seed})`, async () => {
    const random = randomFrom(seed);
    let refused = 0;
    for (let count = 0; count < streams; count += 1) {
      const reader = new Reader(relying());
      try {
        for (const [type, payload] of hostileFrames(random)) await reader.take({ type, payload });
      } catch (error) {
        if (error instanceof GhostkeepError && error.code === 'MOVE_STREAM') refused += 1;
        else throw new Error(`seed ${seed}, stream ${count}`, { cause: error });
      }
    }
    assert.ok(refused > streams / 4 && refused < streams, `${refused} of ${streams} were refused`);
    console.log(`# ${streams} streams from seed ${seed}, ${refused} of them refused`);
  });
});
