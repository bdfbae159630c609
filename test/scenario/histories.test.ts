/**
 * Random histories: whatever was dumped, packed, deduplicated, materialized and forgotten, every checkpoint is what
 * the files were, or says that it gave bytes up.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { GhostkeepError } from '../../src/base/errors.js';
import { dedup } from '../../src/flows/dedup/dedup.js';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { verify } from '../../src/flows/restore/verify.js';
import { readManifest } from '../../src/image/manifest.js';
import { randomFrom, seed } from '../random.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';

const steps = Number(process.env['GHOSTKEEP_STEPS'] ?? 60);

/** Why a step of a random history may be refused. Nothing may have changed then. */
const refusals = new Set(['CHAIN_WRONG', 'PACKED', 'HAS_CHILDREN', 'GIVEN_UP', 'STANDS_ALONE', 'BAD_INPUT']);

/** The directories that have replaced what DIRECTORY gave up, as real paths. */
const takersIn = (directory: string): string[] =>
  readManifest(flows().host.files, directory).ghosts.flatMap(ghost =>
    (ghost.layer?.given?.to ?? []).map(taker => path.resolve(directory, taker.path)),
  );

class History {
  readonly #checkpoints = new Map<string, Contents>();
  /** Checkpoints that gave bytes up. They stay, because others need what they still have. */
  readonly #ended = new Set<string>();
  readonly #ghosts: LivingGhosts;
  readonly #disk: string;
  readonly done: string[] = [];
  #made = 0;

  constructor(
    private readonly t: TestContext,
    private readonly random: (below: number) => number,
  ) {
    this.#disk = temporaryFolder(t);
    this.#ghosts = new LivingGhosts(t, temporaryFolder(t), random);
    for (let count = 0; count < 3; count += 1) this.#ghosts.come();
  }

  async step(): Promise<void> {
    const kind = this.random(16);
    if (this.#checkpoints.size < 3 || kind < 2) await this.#dump();
    else if (kind < 6) await this.#pack();
    else if (kind < 8) await this.#materialize(this.random(2) === 0);
    else if (kind < 10) await this.#materializeTo(this.random(2) === 0);
    else if (kind < 13) await this.#dedup();
    else await this.#forget();
    const [images, contents] = this.#any();
    await assertHolds(this.t, images, contents);
  }

  /** Does each kind of step once, however the random steps went. */
  async end(): Promise<void> {
    // There are two ghosts at least, so one change leaves one of them as it was.
    for (let count = 0; count < 2; count += 1) this.#ghosts.come(20 * unit);
    const before = await this.#dump(0);
    const last = await this.#dump(1);
    const done: string[] = [];
    const one = async (what: string, work: () => Promise<unknown>) => {
      if (await this.#attempt(what, work)) done.push(what);
    };
    await one('pack at the end', () => pack(flows(), { images: last, parent: before }));
    await one('dedup at the end', () => dedup(flows(), { images: last, discardOlder: true }));
    await this.#noteEnded([before]);
    await one('move at the end', () => unpack(flows(), { images: last, autoDedup: true }));
    await this.#noteEnded([before]);
    const third = await this.#dump(1);
    await one('pack at the very end', () => pack(flows(), { images: third, parent: last }));
    await one('materialize at the end', () => unpack(flows(), { images: third }));
    await one('forget at the end', () => forget(flows(), { images: before }));
    // If the one change was a ghost that came or went, nothing of this checkpoint was replaced, and it has
    // not ended.
    this.#checkpoints.delete(before);
    this.#ended.delete(before);
    assert.equal(done.length, 6, this.done.slice(-7).join(', '));
  }

  async assertAll(): Promise<void> {
    for (const [images, contents] of this.#checkpoints) {
      const { damage } = await verify(flows(), images, { chain: true });
      assert.deepEqual(damage, []);
      await assertHolds(this.t, images, contents);
    }
    for (const images of this.#ended) await this.#assertEnded(images);
  }

  async #assertEnded(images: string): Promise<void> {
    const { damage } = await verify(flows(), images, { chain: true });
    assert.ok(damage.length > 0, images);
    for (const { code } of damage) assert.equal(code, 'GIVEN_UP', images);
    const to = `${this.#disk}/nothing`;
    await assert.rejects(restoreGhosts(flows(), { images, to }), { code: 'GIVEN_UP' });
    fs.rmSync(to, { recursive: true });
  }

  /** @param may the checkpoints that may have ended by now. No others may have ended */
  async #noteEnded(may: readonly string[]): Promise<void> {
    for (const images of may) {
      if (!this.#checkpoints.has(images)) continue;
      const { damage } = await verify(flows(), images, { chain: true });
      if (!damage.some(({ code }) => code === 'GIVEN_UP')) continue;
      await this.#assertEnded(images);
      this.#checkpoints.delete(images);
      this.#ended.add(images);
    }
  }

  #parentsOf(images: string): string[] {
    const parents: string[] = [];
    for (let at = images; ; parents.push(at)) {
      const { parent } = readManifest(flows().host.files, at);
      if (!parent) return parents;
      at = path.resolve(at, parent.path);
    }
  }

  /** A directory, also one that has ended: everything that is done with it must be refused. */
  #anyDirectory(): string {
    const all = [...this.#checkpoints.keys(), ...this.#ended];
    return all[this.random(all.length)] as string;
  }

  #any(): [string, Contents] {
    return [...this.#checkpoints][this.random(this.#checkpoints.size)] as [string, Contents];
  }

  #name(): string {
    return `${this.#disk}/${this.#made++}`;
  }

  async #dump(changes = 1 + this.random(5)): Promise<string> {
    for (let left = changes; left > 0; left -= 1) this.#ghosts.change();
    const images = this.#name();
    await dumpInto(images);
    this.#checkpoints.set(images, this.#ghosts.contents());
    this.done.push(`dump ${images}`);
    return images;
  }

  async #pack(): Promise<void> {
    const [images, parent] = [this.#anyDirectory(), this.#anyDirectory()];
    await this.#attempt(`pack ${images} with ${parent}`, () => pack(flows(), { images, parent }));
  }

  async #materialize(autoDedup: boolean): Promise<void> {
    const images = this.#anyDirectory();
    const parents = this.#parentsOf(images);
    const how = autoDedup ? 'move' : 'materialize';
    await this.#attempt(`${how} ${images}`, () => unpack(flows(), { images, autoDedup }));
    await this.#noteEnded(parents);
  }

  async #materializeTo(autoDedup: boolean): Promise<void> {
    const [[images, contents], to] = [this.#any(), this.#name()];
    const parents = this.#parentsOf(images);
    const how = autoDedup ? 'move' : 'materialize';
    if (await this.#attempt(`${how} ${images} to ${to}`, () => unpack(flows(), { images, to, autoDedup })))
      this.#checkpoints.set(to, contents);
    else fs.rmSync(to, { recursive: true, force: true });
    await this.#noteEnded([images, ...parents]);
  }

  async #dedup(): Promise<void> {
    const images = this.#anyDirectory();
    const parents = this.#parentsOf(images);
    const discardOlder = this.random(3) > 0;
    const what = `dedup ${images}${discardOlder ? ' and discard older' : ''}`;
    await this.#attempt(what, () => dedup(flows(), { images, discardOlder }));
    await this.#noteEnded(parents);
    if (this.#checkpoints.has(images) && !this.random(2))
      await this.#attempt(`${what} again`, async () => {
        const { givenBytes } = await dedup(flows(), { images, discardOlder });
        assert.equal(givenBytes, 0, `${what} gave up more when it was repeated`);
      });
  }

  /** Any checkpoint may go, also one that has ended: those that need it take over what they need. */
  async #forget(): Promise<void> {
    const images = this.#anyDirectory();
    if (this.#checkpoints.size <= 3) return;
    const givers = this.#parentsOf(images).filter(parent => takersIn(parent).includes(images));
    let children: string[] = [];
    const isGone = await this.#attempt(`forget ${images}`, async () => {
      children = (await forget(flows(), { images })).children.map(child => child.images);
    });
    assert.equal(fs.existsSync(images), !isGone);
    if (!isGone) return;
    this.#checkpoints.delete(images);
    this.#ended.delete(images);
    for (const child of children) await assertHolds(this.t, child, this.#checkpoints.get(child) as Contents);
    // The parents that gave bytes up to the one that is gone name its children now.
    for (const giver of givers)
      for (const child of children) {
        assert.ok(takersIn(giver).includes(child), `${giver} does not name ${child}`);
        assert.ok(!takersIn(giver).includes(images), `${giver} still names ${images}`);
      }
  }

  /** @returns whether it was done */
  async #attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      this.done.push(what);
      return true;
    } catch (error) {
      if (!(error instanceof GhostkeepError) || !refusals.has(error.code)) throw error;
      this.done.push(`${what}: ${error.code}`);
      return false;
    }
  }
}

describe('histories', () => {
  async function live(t: TestContext, from: number, count: number): Promise<void> {
    const history = new History(t, randomFrom(from));
    try {
      for (let step = 0; step < count; step += 1) await history.step();
      await history.end();
      await history.assertAll();
    } catch (error) {
      t.diagnostic(history.done.join(', '));
      throw error;
    }
    t.diagnostic(`${count} steps`);
    t.diagnostic(`${history.done.filter(step => !/: [A-Z_]+$/.test(step)).length} steps were not refused`);
  }

  it('when the last change replaces nothing, the last parent is whole until it goes (the history of seed 1)', t =>
    live(t, 1, 3));

  it(`when a history is random, every checkpoint is what the files were (GHOSTKEEP_SEED=${seed})`, t =>
    live(t, seed, steps));
});
