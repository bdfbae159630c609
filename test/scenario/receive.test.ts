/** Ghosts that are moved to another host, by the built program. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDocument } from '../../src/base/documents/document.js';
import type { ReceiveLine } from '../../src/base/documents/generated/receive-line.js';
import { parseAnswers, payloads, Stream, types } from '../unit/move-stream.js';
import { command, filesIn, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { addFile, dumpStream, imagesStream, type Moved, type Source, sourceOf } from './moved.js';
import { Receiver } from './receiver.js';

const [program, ...words] = command;
const manifestName = 'ghostkeep-manifest.json';

/** Run the receiver to its end, with STREAM on its stdin. */
function receive(images: string, stream: Stream, ...more: string[]) {
  const { status, stdout, stderr } = spawnSync(program, [...words, 'receive', '-D', images, ...more], {
    input: stream.bytes(),
    maxBuffer: 1 << 30,
  });
  return { status, stderr: stderr.toString('utf8'), answers: parseAnswers(stdout) };
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * seed + (at >> 9)) & 0xff;
  return bytes;
}

function smallSource(t: TestContext): Source {
  const sparse = Buffer.alloc(700_001);
  pattern(20_000, 3).copy(sparse, 300_000);
  return sourceOf(t, [pattern(3_000_017, 5), sparse, pattern(100, 7), Buffer.alloc(0)]);
}

/** The directory is a checkpoint with these ghosts, flat and undamaged. */
function assertSealed(t: TestContext, images: string, ghosts: readonly Moved[]): void {
  assert.deepEqual(filesIn(images), [...ghosts.map(({ image }) => image), manifestName].sort());
  const verified = ghostkeep(['verify', images]);
  assert.equal(verified.status, 0, verified.stdout);
  const to = `${temporaryFolder(t)}/files`;
  assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
  for (const { image, content } of ghosts) {
    const id = Number.parseInt(/ghost-file-([0-9a-f]+)/.exec(image)?.[1] as string, 16);
    assert.ok(fs.readFileSync(`${to}/ghost-${id}`).equals(content), image);
  }
}

describe('ghosts that are moved to another host', () => {
  it('ghosts that were received come out of the sealed directory as they were, and verify finds no damage', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    const dumped = receive(images, dumpStream(ghosts));
    assert.deepEqual(
      [dumped.status, dumped.answers.map(({ type }) => type)],
      [0, ['welcome', 'ack', 'committed']],
    );
    const before = ghostkeep(['verify', images]);
    assert.match(before.stdout, /have not all arrived.*\[INCOMPLETE\]/);
    const sealed = receive(images, imagesStream(ghosts, { [manifestName]: manifest }));
    assert.deepEqual([sealed.status, sealed.answers.at(-1)?.type], [0, 'sealed'], sealed.stderr);
    assertSealed(t, images, ghosts);
    const again = receive(images, imagesStream(ghosts, { [manifestName]: manifest }));
    assert.equal(again.answers.at(-1)?.message?.['code'], 'ALREADY_SEALED');
  });

  it('receive --json prints its summaries and errors as JSON lines on stderr, because stdout belongs to the sender', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    const lines = ({ stderr }: { stderr: string }) =>
      stderr
        .trim()
        .split('\n')
        .map(text => {
          const line = JSON.parse(text) as ReceiveLine;
          assertDocument('ReceiveLine', line, text, 'BAD_INPUT');
          return line;
        });
    const dumped = receive(images, dumpStream(ghosts), '--json');
    assert.deepEqual(lines(dumped), [{ message_type: 'summary', images, ghosts: 4, sealed: false }]);
    const half = new Stream().hello('images');
    half.add('file', payloads.file(manifestName, manifest.length));
    const [error, ...more] = lines(receive(images, half, '--json'));
    assert.deepEqual(
      [error?.message_type, error?.code, error?.subject, more],
      ['error', 'MOVE_INTERRUPTED', 'stream', []],
    );
    const sealed = receive(images, imagesStream(ghosts, { [manifestName]: manifest }), '--json');
    assert.equal(sealed.answers.at(-1)?.type, 'sealed', 'no line has gone to the sender');
    assert.deepEqual(lines(sealed), [{ message_type: 'summary', images, ghosts: 4, sealed: true }]);
  });

  it('ghosts that were received wait for the files of CRIU through interruptions, other commands and damaged files', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    receive(images, dumpStream(ghosts));
    assert.match(ghostkeep(['seal', images]).stderr, /\[INCOMPLETE\]/);
    const other = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--allow-missing']);
    assert.match(other.stderr, /moved there from another host.*\[BAD_INPUT\]/);

    const half = new Stream().hello('images');
    half.add('file', payloads.file(manifestName, manifest.length));
    half.add('file-data', payloads.fileData(0n, manifest.subarray(0, 100)));
    assert.match(receive(images, half).stderr, /\[MOVE_INTERRUPTED\]/);

    const otherDigest = new Stream().hello('images');
    otherDigest.add('file', payloads.file('core-1.img', 1));
    otherDigest.add('file-data', payloads.fileData(0n, Buffer.from('x')));
    otherDigest.add('file-end', Buffer.alloc(32));
    assert.match(receive(images, otherDigest).stderr, /core-1.img has other bytes.*\[MOVE_STREAM\]/);

    const damaged = Buffer.from(manifest.toString('utf8').replace('"sealed"', '"dumped"'));
    assert.match(
      receive(images, imagesStream(ghosts, { [manifestName]: damaged })).stderr,
      /not of a sealed dump.*\[MANIFEST_INVALID\]/,
    );
    const otherTime = Buffer.from(manifest.toString('utf8').replace(/"mtime": "[0-9]+/, '"mtime": "1'));
    assert.match(
      receive(images, imagesStream(ghosts, { [manifestName]: otherTime })).stderr,
      /mtime differ.*\[BAD_INPUT\]/,
    );
    const ofCriu = Buffer.from(manifest.toString('utf8').replace(/"criu": false/, '"criu": true'));
    assert.match(
      receive(images, imagesStream(ghosts, { [manifestName]: ofCriu })).stderr,
      /files\.img.*\[IMAGE_MISSING\]/,
      'this one is seen when the images are made',
    );
    const image = (ghosts[0] as Moved).image;
    const instead = new Stream().hello('images');
    addFile(instead, image, Buffer.from('the only copy is gone'));
    assert.match(receive(images, instead).stderr, /may be the only copy.*\[BAD_INPUT\]/);
    const uncommitted = [{ ...(ghosts[0] as Moved), key: '1-2-3' }];
    assert.match(
      receive(images, imagesStream(uncommitted, { [manifestName]: manifest })).stderr,
      /was not committed.*\[BAD_INPUT\]/,
    );
    fs.writeFileSync(`${images}/ghost-file-1.img`, 'of another');
    assert.match(
      receive(images, imagesStream(ghosts, { [manifestName]: manifest })).stderr,
      /has a file of this name already.*\[BAD_INPUT\]/,
    );
    assert.equal(fs.readFileSync(`${images}/ghost-file-1.img`, 'utf8'), 'of another');
    fs.rmSync(`${images}/ghost-file-1.img`);
    const sealed = receive(images, imagesStream(ghosts, { [manifestName]: manifest }));
    assert.equal(sealed.status, 0, sealed.stderr);
    assertSealed(t, images, ghosts);
  });

  it('when the receiver was killed while it gave names, `ghostkeep seal` gives the ghosts their names', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    receive(images, dumpStream(ghosts));
    receive(images, imagesStream(ghosts, { [manifestName]: manifest }));
    const work = `${images}/ghostkeep`;
    fs.mkdirSync(`${work}/arrived`, { recursive: true, mode: 0o700 });
    fs.chmodSync(work, 0o700);
    const moved = [manifestName, ghosts[1]?.image as string];
    for (const name of moved) fs.renameSync(`${images}/${name}`, `${work}/arrived/${name}`);
    for (const name of ['placing', 'receiver.json']) fs.writeFileSync(`${work}/${name}`, '');
    assert.match(ghostkeep(['verify', images]).stdout, /ghostkeep seal -D .*\[INCOMPLETE\]/);
    assert.equal(ghostkeep(['seal', images]).status, 0);
    assertSealed(t, images, ghosts);
  });

  it('ghosts that are received get no rights from a sender, and no place outside the directory', t => {
    const images = `${temporaryFolder(t)}/images`;
    const { ghosts, manifest } = smallSource(t);
    // Many users have this umask, with which their group may write to what they make.
    const before = process.umask(0o002);
    t.after(() => process.umask(before));
    receive(images, dumpStream(ghosts));
    const stream = new Stream().hello('images');
    addFile(stream, 'pages-1.img', Buffer.from('x'), 0o777);
    addFile(stream, manifestName, manifest);
    stream.add('seal', payloads.seal(ghosts.map(({ key, image, header }) => ({ key, image, header }))));
    assert.equal(receive(images, stream).status, 0);
    for (const file of filesIn(images)) {
      const { mode, nlink } = fs.lstatSync(`${images}/${file}`);
      assert.equal(mode & 0o7133, 0, `${file} has mode ${mode.toString(8)}`);
      assert.equal(nlink, 1);
    }
  });

  it('a directory has one receiver at a time, and a second one is refused', async t => {
    const images = `${temporaryFolder(t)}/images`;
    const first = new Receiver(t, ['-D', images]);
    const stream = new Stream().hello('round');
    stream.ghost('1-2-3', pattern(100_000, 3));
    first.write(stream.bytes());
    while (first.answers().length === 0) await sleep(10);
    const second = receive(images, stream);
    assert.match(second.stderr, /process \d+ \(.*receive.*\) is writing there.*\[IN_USE\]/);
    assert.equal(second.answers.at(-1)?.message?.['code'], 'IN_USE');
    stream.add('commit', payloads.commit(['1-2-3']));
    first.write(stream.parts.at(-1) as Buffer);
    assert.equal(await first.end(), 0, first.stderr);
  });

  it('two receivers work in two directories at the same time', async t => {
    const folder = temporaryFolder(t);
    const both = [3, 5].map(seed => {
      const content = pattern(2_000_000, seed);
      const stream = new Stream().hello('dump');
      stream.ghost('1-2-3', content);
      stream.add('commit', payloads.commit(['1-2-3']));
      return { content, bytes: stream.bytes(), receiver: new Receiver(t, ['-D', `${folder}/${seed}`]), seed };
    });
    for (const { receiver, bytes } of both) receiver.write(bytes.subarray(0, 1_500_000));
    while (both.some(({ receiver }) => receiver.answers().length === 0)) await sleep(10);
    for (const { receiver, bytes } of both) receiver.write(bytes.subarray(1_500_000));
    for (const { receiver, content, seed } of both) {
      assert.equal(await receiver.end(), 0, receiver.stderr);
      assert.ok(fs.readFileSync(`${folder}/${seed}/ghostkeep/moved-1-2-3.data`).equals(content));
    }
  });

  it('when the sender was stopped for some seconds, the move goes on, and the receiver meanwhile shows that it lives', async t => {
    const images = `${temporaryFolder(t)}/images`;
    const receiver = new Receiver(t, ['-D', images]);
    const stream = new Stream().hello('round');
    stream.ghost('1-2-3', pattern(100_000, 3));
    stream.add('commit', payloads.commit(['1-2-3']));
    const bytes = stream.bytes();
    receiver.write(bytes.subarray(0, 50_000));
    while (receiver.answers().length === 0) await sleep(10);
    const before = receiver.heard.length;
    // The receiver sends a frame `alive` each second.
    for (let waits = 0; receiver.heard.length < before + 32 && waits < 120; waits += 1) await sleep(500);
    const said = receiver.heard.subarray(before);
    assert.ok(said.length >= 32 && said.length % 16 === 0, `${said.length} bytes`);
    assert.equal(said.readUInt32LE(0), types.alive);
    receiver.write(bytes.subarray(50_000));
    assert.equal(await receiver.end(), 0, receiver.stderr);
    assert.ok(fs.readFileSync(`${images}/ghostkeep/moved-1-2-3.data`).equals(pattern(100_000, 3)));
  });

  it('receive --dump lists the ghosts that are sent, and stores nothing', t => {
    const folder = temporaryFolder(t);
    const stream = new Stream().hello('round');
    stream.ghost('1-2-3', pattern(20_000, 3));
    stream.add('commit', payloads.commit(['1-2-3']));
    const shown = ghostkeep(['receive', '--dump'], { input: stream.bytes(), cwd: folder });
    assert.equal(shown.status, 0, shown.stderr);
    assert.equal(
      shown.stdout,
      'hello round, from a test\nghost 0 1-2-3, 20000 bytes\n  data [0, 20000)\n  end\ncommit 1-2-3\n',
    );
    assert.deepEqual(fs.readdirSync(folder), []);
    const bad = Buffer.concat([...stream.parts.slice(0, 3), stream.parts.at(-1) as Buffer]);
    const wrong = ghostkeep(['receive', '--dump'], { input: bad });
    assert.match(wrong.stderr, /has number 4 where 2 was to come.*\[MOVE_STREAM\]/);
  });
});
