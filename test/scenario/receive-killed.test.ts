/** A receiver that is killed anywhere, and started again: what is sealed at the end is what the sender had. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom, seed } from '../random.js';
import { ModelSender } from '../unit/model-sender.js';
import { command, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { imagesStream, type Moved, type Source, sourceOf } from './moved.js';
import { Receiver } from './receiver.js';

const most = Number(process.env['GHOSTKEEP_KILLS'] ?? 6);
const mostMs = 1000 * Number(process.env['GHOSTKEEP_SECONDS'] ?? 600);
let kills = 0;
const manifestName = 'ghostkeep-manifest.json';
const block = 16384;

/** A connection takes no longer than this when nobody kills the receiver. */
const longestMs = 400;

/** The content of GHOSTS, of which some blocks have changed meanwhile. */
function variant(ghosts: readonly Moved[], random: (below: number) => number): Map<string, Buffer> {
  return new Map(
    ghosts.map(({ key, content }) => {
      const changed = Buffer.from(content);
      for (let count = random(20); count > 0; count -= 1) {
        const at = random(Math.max(1, content.length / block)) * block;
        changed.fill(random(3), at, Math.min(at + block, content.length));
      }
      return [key, changed];
    }),
  );
}

async function killed(
  t: TestContext,
  images: string,
  bytes: Buffer,
  random: (below: number) => number,
): Promise<Receiver> {
  const receiver = new Receiver(t, ['-D', images]);
  const part = random(bytes.length + 1);
  receiver.write(bytes.subarray(0, part));
  await sleep(random(longestMs));
  receiver.write(bytes.subarray(part));
  await sleep(random(longestMs / 2));
  receiver.child.kill('SIGKILL');
  await receiver.ended;
  kills += 1;
  return receiver;
}

async function rounds(t: TestContext, { ghosts, manifest }: Source, random: (below: number) => number) {
  const images = `${temporaryFolder(t)}/images`;
  const sender = new ModelSender(random);
  for (let count = random(3); count >= 0; count -= 1) {
    const prepared = sender.prepare('round', variant(ghosts, random));
    const receiver = await killed(t, images, prepared.stream.bytes(), random);
    if (random(3)) sender.hear(prepared, receiver.answers());
    else sender.goBack();
  }
  const now = new Map(ghosts.map(({ key, content }) => [key, content]));
  for (let tries = 0; ; tries += 1) {
    const prepared = sender.prepare('dump', now);
    const receiver = new Receiver(t, ['-D', images]);
    receiver.write(prepared.stream.bytes());
    await receiver.end();
    if (sender.hear(prepared, receiver.answers()).committed) break;
    assert.ok(tries < 3, receiver.stderr);
  }
  const files = imagesStream(ghosts, { [manifestName]: manifest }).bytes();
  await killed(t, images, files, random);
  // The receiver that was killed may have got to the end, or to where it only had to rename files.
  const [program, ...words] = command;
  const last = spawnSync(program, [...words, 'receive', '-D', images], { input: files });
  if (last.status !== 0) assert.match(last.stderr.toString('utf8'), /\[ALREADY_SEALED\]/);
  assertHolds(t, images, ghosts);
}

function assertHolds(t: TestContext, images: string, ghosts: readonly Moved[]): void {
  assert.equal(fs.existsSync(`${images}/ghostkeep`), false, 'the directory is flat');
  const verified = ghostkeep(['verify', images]);
  assert.equal(verified.status, 0, verified.stdout);
  const to = `${temporaryFolder(t)}/files`;
  assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
  for (const { image, content } of ghosts) {
    const id = Number.parseInt(/ghost-file-([0-9a-f]+)/.exec(image)?.[1] as string, 16);
    assert.ok(fs.readFileSync(`${to}/ghost-${id}`).equals(content), `seed ${seed}: ${image}`);
  }
}

describe('a receiver that is killed', () => {
  it(`a receiver that was killed has no wrong byte when it starts again, and seals what the sender had (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const content = (blocks: number, more: number) =>
      Buffer.concat([
        ...Array.from({ length: blocks }, () => Buffer.alloc(block, random(3))),
        Buffer.alloc(more, 7),
      ]);
    const dense = Buffer.alloc(100 * block + 7, 1);
    const source = sourceOf(t, [content(1500, 5), dense, content(40, 0), Buffer.from('small')]);
    const until = Date.now() + mostMs;
    while (kills < most && Date.now() < until) await rounds(t, source, random);
    console.log(`# ${kills} kills from seed ${seed}`);
  });
});
