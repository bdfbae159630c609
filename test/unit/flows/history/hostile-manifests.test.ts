/**
 * Manifests and lists of children from strangers, before all commands of a history, on files in memory. A command
 * ends or says why not, reads only files that have names of ours or CRIU's, and changes nothing outside the
 * directories that it was given. test/scenario/hostile-history.test.ts has real layers.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest, ManifestGhost } from '../../../../src/base/documents/generated/manifest.js';
import { GhostkeepError } from '../../../../src/base/errors.js';
import type { Engine } from '../../../../src/base/host/host.js';
import { silent } from '../../../../src/base/log.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { namedChildren } from '../../../../src/flows/chain/children.js';
import type { Context } from '../../../../src/flows/context.js';
import { dedup } from '../../../../src/flows/dedup/dedup.js';
import { forget } from '../../../../src/flows/forget/forget.js';
import { pack } from '../../../../src/flows/history/pack.js';
import { unpack } from '../../../../src/flows/history/unpack.js';
import { verify } from '../../../../src/flows/restore/verify.js';
import { readManifest } from '../../../../src/image/manifest.js';
import { randomFrom, seed } from '../../../random.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { FakeEngine } from '../../fake-engine.js';
import { fakeHost } from '../../fake-host.js';
import { changeDocument } from '../../hostile-document.js';
import { MemoryFiles } from '../../memory-files.js';

const documents = Number(process.env['GHOSTKEEP_DOCUMENTS'] ?? 5000);
const mostMs = 1000 * Number(process.env['GHOSTKEEP_SECONDS'] ?? 60);
const mostMemory = 600 << 20;

const size = 5 * 65536;
const name = `blake3:${'0'.repeat(64)}`;
const childId = (night: number) => `00000000-0000-4000-8000-00000000000${night}`;
const created = (night: number) => `2026-01-0${night + 1}T00:00:00.000Z`;
const file = { dev: '8:1', ino: 4711, birth: '5.000000000' } as const;
const head = encodeGhostHead({
  ...{ uid: 0, gid: 0, mode: 0o100644, dev: 1n, ino: 4711n, size: BigInt(size), atimeNs: 1n, mtimeNs: 1n },
});
const image = Buffer.concat([head, Buffer.alloc(2 * 65536, 1)]);

const ghostOf = (values: Partial<ManifestGhost>) => ({
  ...aManifestGhost({ ...file, size }),
  data: {
    ...{ bytes: image.length - head.length, chunks: 1, imageBytes: image.length, unwritten: 0, fallbacks: 0 },
    ...{ engine: 'read' as const, ways: [] },
  },
  ...values,
});

/** Night 0 stands alone, 1 and 2 are packed, and 1 may have given bytes up to 2. */
function manifestOf(night: number, hasGiven = false): Manifest {
  const files = { map: 'ghostkeep-layer-1.map', data: 'ghostkeep-layer-1.data' };
  const layer = { ...files, name, mapBytes: 272, dataBytes: 65536, parentBytes: 65536 };
  const to: [{ path: string; created: string }] = [{ path: '../2', created: created(2) }];
  const given = { record: 'ghostkeep-layer-1-01234567.given', name, bytes: 4096, to };
  const parent = { id: 1, ...file };
  return aManifest({
    criu: false,
    created: created(night),
    ...(night > 0
      ? { parent: { path: `../${night - 1}`, created: created(night - 1), child: childId(night) } }
      : {}),
    ghosts: [ghostOf(night > 0 ? { layer: { ...layer, parent, ...(hasGiven ? { given } : {}) } } : {})],
  } as Partial<Manifest>);
}

const more = ['../../elsewhere/0', '/elsewhere/0', created(0), childId(2)];

const children = (night: number) => ({
  format: 'ghostkeep',
  version: 1,
  children: [{ id: childId(night + 1), path: `../${night + 1}` }],
});

const manifestIn = (night: number) => `/h/${night}/ghostkeep-manifest.json`;
const documentsOf = (hasGiven: boolean): [path: string, text: string][] =>
  (
    [
      ...[0, 1, 2].map(night => [manifestIn(night), manifestOf(night, hasGiven && night === 1)]),
      ...[0, 1].map(night => [`/h/${night}/ghostkeep-children.json`, children(night)]),
      ['/elsewhere/0/ghostkeep-manifest.json', { ...manifestOf(0), created: created(5) }],
    ] as [string, object][]
  ).map(([path, document]) => [path, JSON.stringify(document)]);
const histories = [documentsOf(false), documentsOf(true)];
const contents: [path: string, bytes: Buffer][] = [
  ['/h/0/ghost-file-1.img', image],
  ...[1, 2].flatMap((night): [string, Buffer][] => [
    [`/h/${night}/ghostkeep-layer-1.map`, Buffer.alloc(272)],
    [`/h/${night}/ghostkeep-layer-1.data`, Buffer.alloc(65536)],
  ]),
  ['/h/1/ghostkeep-layer-1-01234567.given', Buffer.alloc(56)],
  ['/elsewhere/0/ghost-file-1.img', image],
  ['/elsewhere/secret', Buffer.from('secret')],
];

const mayChange = /^\/h\/(0|1|2|out)(\/[A-Za-z][\w.-]*)?$/;
const mayRead = /\/(ghostkeep-[\w.-]+|ghost-file-[\da-f]+\.img|ghostkeep\/[\w.-]+|[a-z-]+\.img)$/;

/** Files that note every change outside the directories, and every change of a file with a strange name. */
class WatchedFiles extends MemoryFiles {
  readonly wrong: string[] = [];
  readonly #changes = <T>(path: string, work: () => T): T => {
    if (!mayChange.test(path)) this.wrong.push(`changed ${path}`);
    return work();
  };
  override makeDirectory = (path: string) => this.#changes(path, () => super.makeDirectory(path));
  override create = (path: string) => this.#changes(path, () => super.create(path));
  override replace = (path: string, bytes: Uint8Array) =>
    this.#changes(path, () => super.replace(path, bytes));
  override remove = (path: string) => this.#changes(path, () => super.remove(path));
  override removeTree = (path: string) => this.#changes(path, () => super.removeTree(path));
  override removeEmpty = (path: string) => this.#changes(path, () => super.removeEmpty(path));
  override rename = (from: string, to: string) =>
    this.#changes(from, () => this.#changes(to, () => super.rename(from, to)));
}

/** Makes FILES note, too, that a file is opened whose name is neither ours nor CRIU's. */
function watchOpen(files: WatchedFiles): void {
  const { open } = files;
  files.open = path => {
    if (!mayRead.test(path)) files.wrong.push(`opened ${path}`);
    return open(path);
  };
}

/** Layers without content: what is put together has the head that was asked for. */
class LayerEngine extends FakeEngine {
  constructor(private readonly memory: MemoryFiles) {
    super(memory);
  }
  override unpack: Engine['unpack'] = (_, fd, header = new Uint8Array(0)) => {
    const file = this.memory.open_.get(fd);
    assert.ok(file, `a descriptor that is open: ${fd}`);
    file.content = Buffer.concat([header, Buffer.alloc(65536, 1)]);
    return this.check(fd);
  };
  override unpackPart: Engine['unpackPart'] = async (levels, fd, header, { checkFrom }) => ({
    report: checkFrom === undefined ? await this.unpack(levels, fd, header) : await this.check(fd),
    next: undefined,
  });
  override pack: Engine['pack'] = async () => ({ ...(await this.checkLayer()), name });
  override checkLayer = async () => ({ ...(await this.share(0, 0)), keptBytes: 65536n });
}

const works: ((context: Context, night: string, other: string) => unknown)[] = [
  (context, images) => verify(context, images, { chain: true }),
  (context, images) => unpack(context, { images, to: '/h/out' }),
  (context, images) => unpack(context, { images, to: '/h/out', autoDedup: true }),
  (context, images) => unpack(context, { images }),
  (context, images) => unpack(context, { images, autoDedup: true }),
  (context, images) => forget(context, { images, childrenRemoved: true }),
  (context, images) => dedup(context, { images, discardOlder: true }),
  (context, images, parent) => pack(context, { images, parent }),
];

/** @param texts may be none, for a document that is only read @param changed the path of the one with another TEXT */
function watchedHost(
  texts: (typeof histories)[0],
  changed: string,
  text: string,
): { context: Context; files: WatchedFiles } {
  const files = new WatchedFiles();
  watchOpen(files);
  if (texts.length > 0) for (const [path, bytes] of contents) files.put(path, bytes);
  for (const [path, original] of texts) files.put(path, path === changed ? text : original);
  const host = { ...fakeHost(), files, engine: new LayerEngine(files) };
  return { context: { host, log: silent, tool: 'ghostkeep test' }, files };
}

function readOne(files: MemoryFiles, path: string, text: string): void {
  files.put(path, text);
  if (path.endsWith('children.json')) namedChildren(files, path.slice(0, 4));
  else readManifest(files, path.slice(0, 4));
}

/** Changes a byte of the text, or cuts off its end. */
function changeText(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  if (random(3) === 0) return text.slice(0, at);
  return text.slice(0, at) + String.fromCharCode(random(300)) + text.slice(at + 1);
}

describe('a manifest from a stranger', () => {
  it(`a stranger's manifest never leads a command out of its directories (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const ends = new Map<string, number>();
    const until = performance.now() + mostMs;
    let count = 0;
    for (; count < documents && performance.now() < until; count += 1) {
      const texts = histories[random(2)] as (typeof histories)[0];
      const [path, original] = texts[random(5)] as [string, string];
      const changed = JSON.parse(original) as object;
      const what: string[] = [];
      for (let times = 1 + random(2); times > 0; times -= 1) what.push(changeDocument(changed, random, more));
      const text = JSON.stringify(changed);
      const changedText = random(8) ? text : changeText(text, random);
      // Most documents are only read. That is fast, and most of what can go wrong goes wrong there.
      const isRead = random(10) > 0;
      const { context, files } = watchedHost(isRead ? [] : texts, path, changedText);
      const kind = random(works.length);
      let end = 'done';
      try {
        if (isRead) readOne(files, path, changedText);
        else await works[kind]?.(context, `/h/${random(3)}`, `/h/${random(3)}`);
      } catch (error) {
        if (!(error instanceof GhostkeepError))
          throw new Error(`seed ${seed}, document ${count}, work ${kind}: ${what}`, { cause: error });
        end = error.code;
      }
      ends.set(end, (ends.get(end) ?? 0) + 1);
      if (files.wrong.length > 0)
        assert.fail(`${files.wrong}: seed ${seed}, document ${count}, work ${kind}: ${what}`);
    }
    const { rss } = process.memoryUsage();
    assert.ok(rss < mostMemory, `${rss} bytes of memory`);
    assert.ok((ends.get('done') ?? 0) > count / 20, 'some of them are good enough');
    t.diagnostic(`${count} documents`);
    t.diagnostic(
      [...ends]
        .sort()
        .map(([end, count]) => `${end} ${count}`)
        .join(', '),
    );
  });
});
