/** A dump of this process's own ghosts, taken apart as a sender would send it. */
import fs from 'node:fs';
import type { TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { parseDev } from '../../src/base/units.js';
import { contentDigest } from '../unit/content-digest.js';
import { payloads, Stream } from '../unit/move-stream.js';
import { ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

export interface Moved {
  key: string;
  image: string;
  /** Base64. */
  header: string;
  content: Buffer;
}

export interface Source {
  ghosts: Moved[];
  manifest: Buffer;
}

/** The manifest with other ghosts. */
export function manifestWith(
  { manifest }: Source,
  change: (ghosts: Manifest['ghosts']) => Manifest['ghosts'],
): Buffer {
  const document = JSON.parse(manifest.toString('utf8')) as Manifest;
  return Buffer.from(JSON.stringify({ ...document, ghosts: change(document.ghosts) }));
}

/** Dump files with these contents, without CRIU. */
export function sourceOf(t: TestContext, contents: readonly Buffer[]): Source {
  const folder = temporaryFolder(t);
  for (const [index, content] of contents.entries()) ghostFile(t, folder, `ghost-${index}`, content);
  const images = `${folder}/images`;
  const dumped = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--allow-missing']);
  if (dumped.status !== 0) throw new Error(dumped.stderr);
  const text = fs.readFileSync(`${images}/ghostkeep-manifest.json`);
  const manifest = JSON.parse(text.toString('utf8')) as Manifest;
  const sizes = new Map(contents.map(content => [content.length, content]));
  const ghosts = manifest.ghosts.map(ghost => {
    const image = fs.readFileSync(`${images}/${ghost.image}`);
    return {
      key: `${parseDev(ghost.dev).toString(16)}-${Number(ghost.ino).toString(16)}-0`,
      image: ghost.image,
      header: image.subarray(0, 12 + image.readUInt32LE(8)).toString('base64'),
      content: sizes.get(Number(ghost.size)) as Buffer,
    };
  });
  return { ghosts, manifest: text };
}

/** The stream of a dump: all ghosts, and the commit. */
export function dumpStream(ghosts: readonly Moved[]): Stream {
  const stream = new Stream().hello('dump');
  for (const { key, content } of ghosts) stream.ghost(key, content);
  stream.add('commit', payloads.commit(ghosts.map(({ key }) => key)));
  return stream;
}

/** The stream of `send-images`. @param gone keys of ghosts that were committed and are not needed */
export function imagesStream(
  ghosts: readonly Moved[],
  files: Readonly<Record<string, Buffer>>,
  gone: readonly string[] = [],
): Stream {
  const stream = new Stream().hello('images');
  for (const [name, content] of Object.entries(files)) addFile(stream, name, content);
  const named = ghosts.map(({ key, image, header }) => ({ key, image, header }));
  stream.add('seal', payloads.seal(named, gone.length > 0 ? { gone } : {}));
  return stream;
}

export function addFile(stream: Stream, name: string, content: Buffer, mode = 0o644): void {
  stream.add('file', payloads.file(name, content.length, mode));
  for (let at = 0; at < content.length; at += 1 << 20)
    stream.add('file-data', payloads.fileData(BigInt(at), content.subarray(at, at + (1 << 20))));
  stream.add('file-end', contentDigest(content));
}
