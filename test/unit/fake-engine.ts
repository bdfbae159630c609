/** The engine without C: images whose body is one raw run, enough for the flows around it. */

import { errnoOf } from '../../src/base/errors.js';
import type { Engine, EngineReport, Extent } from '../../src/base/host/host.js';
import { decodeGhostHead } from '../../src/criu/ghost-file.js';
import { errno, type FakeFile } from './fake-processes.js';
import { Interrupted, type MemoryFiles } from './memory-files.js';

export class FakeEngine implements Engine {
  /** Called when a dump begins, with its number from 1; may change the file, or throw. */
  onDump: (count: number, ghost: FakeFile) => void = () => {};
  dumps = 0;
  /** Of each dump: was it over an earlier image? */
  over: boolean[] = [];
  /** The same for the dumps in a call for many. */
  overTogether: boolean[] = [];
  /** How many ghosts had their dirty pages written out. */
  written = 0;
  ways: EngineReport['ways'] = ['read/write'];

  /** A dump over an earlier image finds this many bytes changed; undefined: all. */
  differed: bigint | undefined;

  constructor(private readonly files: MemoryFiles) {}

  async dump({ ghostFd, imageFd, header, size, engine, over = false }: Parameters<Engine['dump']>[0]) {
    const ghost = this.#file(ghostFd);
    this.dumps += 1;
    this.over.push(over);
    this.onDump(this.dumps, ghost);
    const image = this.#file(imageFd);
    image.content = Buffer.concat([header, ghost.content]);
    const { differed } = this;
    const keptBytes = over && differed !== undefined && size > differed ? size - differed : 0n;
    const more = differed === undefined ? {} : { dataBytes: size, imageBytes: size, keptBytes };
    return report(size, BigInt(ghost.content.length), image.content, { engine, ways: this.ways, ...more });
  }

  dumpMany: Engine['dumpMany'] = (folder, engine, _mode, jobs) =>
    jobs.map(({ name, ghostFd, ...job }) => {
      const path = `${folder}/${name}`;
      try {
        const ghost = this.#file(ghostFd);
        const { over = false } = job;
        this.dumps += 1;
        this.overTogether.push(over);
        this.onDump(this.dumps, ghost);
        const content = Buffer.concat([job.header, ghost.content]);
        this.files.close(over ? this.files.open(path) : this.files.create(path));
        this.files.put(path, content);
        return {
          report: report(job.size, BigInt(ghost.content.length), content, { engine }),
          after: ghost.stat,
        };
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        if (errnoOf(error) !== 'EEXIST') this.files.remove(path);
        return { error: error as Error };
      }
    });

  writeBack = async () => {
    this.written += 1;
    return report(0n, 0n, Buffer.alloc(0));
  };

  async check(imageFd: number): Promise<EngineReport> {
    const { content } = this.#file(imageFd);
    try {
      const { size } = decodeGhostHead(content, BigInt(content.length), 'image');
      return report(size, BigInt(content.length - 12 - content.readUInt32LE(8)), content);
    } catch (error) {
      throw Object.assign(errno('EBADMSG', (error as Error).message));
    }
  }

  digest = async (fd: number) => {
    const { content } = this.#file(fd);
    const sum = content.reduce((all, byte) => (all * 31 + byte) >>> 0, 7);
    return report(0n, 0n, content, { crc32c: sum });
  };

  settle = async (fd: number) => this.files.settle(fd);

  async restore(imageFd: number, fileFd: number): Promise<EngineReport> {
    const { content } = this.#file(imageFd);
    this.#file(fileFd).content = content.subarray(12 + content.readUInt32LE(8));
    return report(0n, 0n, content);
  }

  async copy(fromFd: number, toFd: number): Promise<EngineReport> {
    const { content } = this.#file(fromFd);
    this.#file(toFd).content = content;
    return report(0n, 0n, content);
  }

  share: Engine['share'] = async () => report(0n, 0n, Buffer.alloc(0));
  pack: Engine['pack'] = async () => ({
    ...report(0n, 0n, Buffer.alloc(0)),
    name: `blake3:${'0'.repeat(64)}`,
  });
  unpack: Engine['unpack'] = async () => report(0n, 0n, Buffer.alloc(0));
  unpackPart: Engine['unpackPart'] = async () => ({
    report: report(0n, 0n, Buffer.alloc(0)),
    next: undefined,
  });
  giveUp: Engine['giveUp'] = async () => report(0n, 0n, Buffer.alloc(0));
  punch: Engine['punch'] = async () => report(0n, 0n, Buffer.alloc(0));
  surveyLayer: Engine['surveyLayer'] = async () => report(0n, 0n, Buffer.alloc(0));
  countJoined: Engine['countJoined'] = async () => report(0n, 0n, Buffer.alloc(0));
  checkLayer: Engine['checkLayer'] = async () => report(0n, 0n, Buffer.alloc(0));
  layerName: Engine['layerName'] = async () => `blake3:${'0'.repeat(64)}`;

  /** The answer of extents(). */
  found: Extent[] = [];
  extents = (): Iterable<Extent> => this.found;
  chunks = (): Iterable<Extent> => [];
  /** The answer of allocation(), and the ranges that were allocated since. */
  map: Extent[] | undefined = [];
  allocated: [bigint, bigint][] = [];
  allocation = (): Iterable<Extent> | undefined => this.map;
  allocate: Engine['allocate'] = (_fd, offset, length) => {
    this.allocated.push([offset, length]);
  };
  setTimes: Engine['setTimes'] = () => {};
  flags = () => 0;
  setFlags: Engine['setFlags'] = () => {};
  xattrs: Engine['xattrs'] = () => ({ 'user.note': Buffer.from([0, 255]) });
  setXattr: Engine['setXattr'] = () => {};

  #file(fd: number): FakeFile {
    const file = this.files.open_.get(fd);
    if (!file) throw errno('EBADF', String(fd));
    return file;
  }
}

function report(
  size: bigint,
  dataBytes: bigint,
  image: Buffer,
  more: Partial<EngineReport> = {},
): EngineReport {
  return {
    size,
    dataBytes,
    chunks: 0n,
    unwrittenBytes: 0n,
    imageBytes: BigInt(image.length),
    keptBytes: 0n,
    differingBytes: 0n,
    uncomparedBytes: 0n,
    failedOffset: 0n,
    engine: 'auto',
    fallbacks: 0,
    ways: ['read/write'],
    crc32c: 0,
    why: 'a fake',
    ...more,
  };
}
