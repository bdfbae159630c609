/** A process (this one) whose ghosts change, and its checkpoints, each with what the ghosts held then. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { TestContext } from 'node:test';
import { asOwner } from '../../src/flows/directory/owner.js';
import { dumpGhosts } from '../../src/flows/dump/dump.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { sealImages } from '../../src/flows/seal/seal.js';
import { resolvePolicy } from '../../src/oci/policy.js';
import { noise, type Random, randomFrom } from '../random.js';
import { flows, temporaryFolder } from './ghostkeep.js';

export const unit = 65536;

/** The content of each ghost by its inode number. */
export type Contents = Map<string, Buffer>;

export class LivingGhosts {
  readonly #fds: number[] = [];
  #made = 0;

  constructor(
    t: TestContext,
    private readonly folder: string,
    private readonly random: Random,
  ) {
    t.after(() => {
      for (const fd of this.#fds) fs.closeSync(fd);
    });
  }

  come(bytes = this.random(24 * unit)): number {
    const name = `${this.folder}/ghost-${this.#made++}`;
    const fd = fs.openSync(name, 'wx+');
    fs.unlinkSync(name);
    this.#fds.push(fd);
    fs.writeSync(fd, noise(this.random, bytes), 0, bytes, 0);
    return fd;
  }

  change(): void {
    const { random } = this;
    const kind = random(8);
    const fd = this.#fds[random(this.#fds.length)];
    if (fd === undefined || kind === 0) this.come();
    else if (kind === 1 && this.#fds.length > 1) {
      fs.closeSync(fd);
      this.#fds.splice(this.#fds.indexOf(fd), 1);
    } else if (kind === 2) fs.ftruncateSync(fd, random(30 * unit));
    else {
      // Some bytes, noise or zeroes, anywhere, also behind the end.
      const bytes = 1 + random(random(2) ? 3 : 3 * unit);
      const content = random(3) ? noise(random, bytes) : Buffer.alloc(bytes);
      fs.writeSync(fd, content, 0, bytes, random(26 * unit));
    }
  }

  contents(): Contents {
    return new Map(
      this.#fds.map(fd => {
        const { ino, size } = fs.fstatSync(fd);
        const content = Buffer.alloc(size);
        fs.readSync(fd, content, 0, size, 0);
        return [String(ino), content];
      }),
    );
  }
}

export interface Night {
  images: string;
  contents: Contents;
}

/** Some checkpoints of one ghost of BYTES, of which a byte changes from one to the next. */
export async function nights(
  t: TestContext,
  count: number,
  bytes: number,
  disk = temporaryFolder(t),
): Promise<Night[]> {
  const ghosts = new LivingGhosts(t, temporaryFolder(t), randomFrom(1));
  const fd = ghosts.come(bytes);
  const all: Night[] = [];
  for (let night = 0; night < count; night += 1) {
    flipByte(fd, night * unit + 7);
    const images = `${disk}/night-${night}`;
    await dumpInto(images);
    all.push({ images, contents: ghosts.contents() });
  }
  return all;
}

/** Changes a byte to another value. A random byte would now and then be the byte that was there. */
function flipByte(fd: number, at: number): void {
  const byte = Buffer.alloc(1);
  fs.readSync(fd, byte, 0, 1, at);
  fs.writeSync(fd, byte.fill(255 - (byte[0] as number)), 0, 1, at);
}

/** Dump the ghosts of this process into IMAGES. */
export async function dumpInto(images: string): Promise<void> {
  const context = flows();
  context.host.files.makeDirectory(images, 0o700);
  await asOwner(context, images, async owned => {
    const policy = resolvePolicy({ verify: 'digest' });
    await dumpGhosts(context, { images: owned, pids: [process.pid], policy, criu: false });
    sealImages(context, owned, { durable: false });
  });
}

/** Restore IMAGES and compare every byte. @param scratch a folder for the files */
export async function assertHolds(
  t: TestContext,
  images: string,
  contents: Contents,
  scratch?: string,
): Promise<void> {
  const folder = temporaryFolder(t, scratch);
  const to = `${folder}/back`;
  const restored = await restoreGhosts(flows(), { images, to });
  const found = new Map(restored.map(({ path, ghost }) => [String(ghost.ino), fs.readFileSync(path)]));
  assert.deepEqual([...found.keys()].sort(), [...contents.keys()].sort(), `the ghosts of ${images}`);
  for (const [ino, content] of contents)
    assert.ok(found.get(ino)?.equals(content), `ghost ${ino} of ${images} came back with other bytes`);
  fs.rmSync(folder, { recursive: true });
}
