import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { contentDigest } from '../unit/content-digest.js';
import { parseAnswers, payloads, Stream } from '../unit/move-stream.js';
import { command, filesIn, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { dumpStream, imagesStream, type Source, sourceOf } from './moved.js';

const [program, ...words] = command;

/** Run the receiver to its end, with STREAM on its stdin. */
function receive(images: string, stream: Buffer, ...more: string[]) {
  const { status, stdout, stderr } = spawnSync(program, [...words, 'receive', '-D', images, ...more], {
    input: stream,
    maxBuffer: 1 << 30,
  });
  return { status, stderr: stderr.toString('utf8'), answers: parseAnswers(stdout) };
}

const manifestName = 'ghostkeep-manifest.json';
const pattern = (length: number, seed: number) => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * seed + (at >> 9)) & 0xff;
  return bytes;
};

function smallSource(t: TestContext): Source {
  const sparse = Buffer.alloc(700_001);
  pattern(20_000, 3).copy(sparse, 300_000);
  return sourceOf(t, [pattern(3_000_017, 5), sparse, pattern(100, 7), Buffer.alloc(0)]);
}

describe('ghosts that are moved to another host', () => {
  it('come out of a sealed directory byte by byte as they were, and verify finds no damage', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    const dumped = receive(images, dumpStream(ghosts).bytes());
    assert.deepEqual(
      [dumped.status, dumped.answers.map(({ type }) => type)],
      [0, ['welcome', 'ack', 'committed']],
    );
    const before = ghostkeep(['verify', images]);
    assert.match(before.stdout, /have not all arrived.*\[INCOMPLETE\]/);
    const sealed = receive(images, imagesStream(ghosts, { [manifestName]: manifest }).bytes());
    assert.deepEqual([sealed.status, sealed.answers.at(-1)?.type], [0, 'sealed'], sealed.stderr);
    assert.deepEqual(filesIn(images), [...ghosts.map(({ image }) => image), manifestName].sort());
    const verified = ghostkeep(['verify', images]);
    assert.equal(verified.status, 0, verified.stdout);
    const to = `${temporaryFolder(t)}/files`;
    assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
    for (const { image, content } of ghosts) {
      const id = Number.parseInt(/ghost-file-([0-9a-f]+)/.exec(image)?.[1] as string, 16);
      assert.ok(fs.readFileSync(`${to}/ghost-${id}`).equals(content), image);
    }
  });
});
void spawn;
void contentDigest;
void payloads;
void Stream;
