/** A receiver seals what the dump has committed, no more and no less, or says what does not fit. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { joinImage, magic } from '../../src/criu/frame.js';
import { decode, encode } from '../../src/criu/message.js';
import { ghostFileEntry } from '../../src/criu/messages.js';
import { connect } from '../unit/flows/receive/connection.js';
import type { Stream } from '../unit/move-stream.js';
import { ghostkeep, temporaryFolder } from './ghostkeep.js';
import { dumpStream, imagesStream, type Moved, manifestWith, sourceOf } from './moved.js';

const name = 'ghostkeep-manifest.json';
/**
 * Three ghosts: one becomes an image where it lies, one is copied in chunks, and one is copied without
 * chunks.
 */
const contents = [Buffer.alloc(2 << 20, 3), Buffer.alloc(50_000, 4), Buffer.alloc(5000, 5)];

async function committed(t: TestContext) {
  const source = sourceOf(t, contents);
  const scratch = temporaryFolder(t);
  const images = `${scratch}/images`;
  const send = (stream: Stream) => connect(images, scratch, stream.bytes());
  assert.equal((await send(dumpStream(source.ghosts))).error, undefined);
  /** Everything that is refused is refused before the first image is made, and a good seal follows. */
  const refused = async (stream: Stream, reason: RegExp) => {
    const outcome = await send(stream);
    assert.match(String(outcome.error), reason);
    assert.match(String(outcome.answers.at(-1)?.message?.['message']), reason);
    assert.equal(fs.readdirSync(`${images}/ghostkeep`).filter(one => one.endsWith('.data')).length, 3);
    assert.match(ghostkeep(['verify', images]).stdout, /\[INCOMPLETE\]/);
  };
  const sealed = async (stream: Stream, ghosts = source.ghosts) => {
    const { error, received } = await send(stream);
    assert.equal(error, undefined);
    assert.deepEqual(received, { ghosts: ghosts.length, sealed: true });
    assert.equal(ghostkeep(['verify', images]).status, 0);
    assert.deepEqual(fs.readdirSync(images).sort(), [...ghosts.map(({ image }) => image), name].sort());
  };
  return { source, refused, sealed };
}

/** The head with another byte in the mode: the last byte of a varint changes no length. */
function withOtherOwner({ header }: Moved): string {
  const head = Buffer.from(header, 'base64');
  // Source: protobuf's wire format; the first field is uid, 0 in this process.
  assert.deepEqual([...head.subarray(12, 14)], [8, 0]);
  head.writeUInt8(1, 13);
  return head.toString('base64');
}

/** The head says that there are chunks where the content has none, or does not say so where it has. */
function withOtherChunks({ header, content }: Moved): string {
  const head = Buffer.from(header, 'base64');
  const entry = decode(ghostFileEntry, head.subarray(12), 'a head');
  const { chunks, size: _, ...rest } = entry;
  const other = chunks ? rest : { ...rest, chunks: true, size: BigInt(content.length) };
  return joinImage(magic.GHOST_FILE, [encode(ghostFileEntry, other)]).toString('base64');
}

describe('a seal', () => {
  it('a seal is refused if a ghost that was committed is neither among the images nor named as gone', async t => {
    const { source, refused, sealed } = await committed(t);
    const { ghosts, manifest } = source;
    for (const missing of ghosts) {
      const others = ghosts.filter(ghost => ghost !== missing);
      const without = manifestWith(source, all => all.filter(({ image }) => image !== missing.image));
      const reason = new RegExp(`ghost ${missing.key}: it was committed by the dump`);
      await refused(imagesStream(others, { [name]: without }), reason);
      await refused(imagesStream(others, { [name]: manifest }), reason);
    }
    await sealed(imagesStream(ghosts, { [name]: manifest }));
  });

  it('a seal leaves out a ghost that the sender names as gone', async t => {
    const { source, refused, sealed } = await committed(t);
    const [gone, ...others] = source.ghosts as [Moved, ...Moved[]];
    const without = { [name]: manifestWith(source, all => all.filter(({ image }) => image !== gone.image)) };
    await refused(imagesStream(others, without, ['1-2-3']), /1-2-3: it is said to be gone, and was not/);
    await refused(imagesStream(source.ghosts, without, [gone.key]), /manifest does not name/);
    await refused(
      imagesStream(others, { [name]: source.manifest }, [gone.key]),
      /neither a ghost nor a file has come/,
    );
    await sealed(imagesStream(others, without, [gone.key]), others);
  });

  it('a seal is refused if the manifest names an image that has not come', async t => {
    const { source, refused, sealed } = await committed(t);
    for (const adopted of [{}, { adopted: true }]) {
      const more = manifestWith(source, all => [
        ...all,
        { ...(all[0] as (typeof all)[number]), id: 99, image: 'ghost-file-99.img', ...adopted },
      ]);
      await refused(
        imagesStream(source.ghosts, { [name]: more }),
        /ghost-file-99.img: the manifest names it, and neither a ghost nor a file/,
      );
    }
    await sealed(imagesStream(source.ghosts, { [name]: source.manifest }));
  });

  it('a seal is refused before an image is made if the head of an image is not as the manifest says', async t => {
    const { source, refused, sealed } = await committed(t);
    for (const wrong of source.ghosts) {
      const ghosts = source.ghosts.map(ghost =>
        ghost === wrong ? { ...ghost, header: withOtherOwner(ghost) } : ghost,
      );
      await refused(
        imagesStream(ghosts, { [name]: source.manifest }),
        new RegExp(`ghost ${wrong.key}: in its head uid differ`),
      );
      const chunks = source.ghosts.map(ghost =>
        ghost === wrong ? { ...ghost, header: withOtherChunks(ghost) } : ghost,
      );
      await refused(
        imagesStream(chunks, { [name]: source.manifest }),
        /its head is none that ghostkeep writes/,
      );
      const cut = source.ghosts.map(ghost =>
        ghost === wrong ? { ...ghost, header: ghost.header.slice(0, 8) } : ghost,
      );
      await refused(imagesStream(cut, { [name]: source.manifest }), /its head cannot be read/);
    }
    await sealed(imagesStream(source.ghosts, { [name]: source.manifest }));
  });

  it('a seal is refused if two ghosts have one id, or one has a path that no kernel shows', async t => {
    const { source, refused, sealed } = await committed(t);
    type Ghost = Parameters<Parameters<typeof manifestWith>[1]>[0][number];
    const second = (change: (first: Ghost, ghost: Ghost) => Partial<Ghost>) =>
      manifestWith(source, all =>
        all.map((ghost, index) => (index === 1 ? { ...ghost, ...change(all[0] as Ghost, ghost) } : ghost)),
      );
    const place = { key: 'file[1:1]', mount: 1 };
    const wrong: [Buffer, RegExp][] = [
      [second(({ id }) => ({ id })), /two ghosts with the id/],
      [manifestWith(source, all => [...all, all[0] as Ghost]), /two ghosts with the id/],
      [second(() => ({ path: '/tmp/../etc/x' })), /no kernel shows/],
      [second(() => ({ path: '..' })), /no kernel shows/],
      [second(() => ({ path: `/${'a'.repeat(4096)}` })), /no kernel shows/],
      [second(() => ({ paths: [{ ...place, path: '/a/./b' }] })), /no kernel shows/],
      [second(() => ({ path: '/a', pathBytes: Buffer.from('/a/..').toString('base64') })), /no kernel shows/],
    ];
    for (const [manifest, reason] of wrong)
      await refused(imagesStream(source.ghosts, { [name]: manifest }), reason);
    const fine = second(() => ({ path: '/tmp/..a/b../...' }));
    await sealed(imagesStream(source.ghosts, { [name]: fine }));
  });

  it('a seal is refused if two ghosts have changed places', async t => {
    const { source, refused, sealed } = await committed(t);
    const [one, two, ...rest] = source.ghosts as [Moved, Moved, ...Moved[]];
    const swapped = [{ ...one, key: two.key }, { ...two, key: one.key }, ...rest];
    await refused(imagesStream(swapped, { [name]: source.manifest }), /is another ghost in the manifest/);
    await sealed(imagesStream(source.ghosts, { [name]: source.manifest }));
  });
});
