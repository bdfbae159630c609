/**
 * Random histories: whatever was dumped, packed, materialized and forgotten, every checkpoint is what the files
 * were.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { GhostkeepError } from '../../src/base/errors.js';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { verify } from '../../src/flows/restore/verify.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, dumpInto, LivingGhosts, randomFrom } from './history-of-ghosts.js';

const seed = Number(process.env['GHOSTKEEP_SEED'] ?? Date.now() % 2 ** 32);
const steps = Number(process.env['GHOSTKEEP_STEPS'] ?? 60);

/** Why a step of a random history may be refused. Nothing may have changed then. */
const refusals = new Set(['CHAIN_WRONG', 'PACKED', 'HAS_CHILDREN']);

class History {
  readonly #checkpoints = new Map<string, Contents>();
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
    const kind = this.random(12);
    if (this.#checkpoints.size < 3 || kind < 2) await this.#dump();
    else if (kind < 6) await this.#pack();
    else if (kind < 8) await this.#materialize();
    else if (kind < 9) await this.#materializeTo();
    else await this.#forget();
    const [images, contents] = this.#any();
    await assertHolds(this.t, images, contents);
  }

  async assertAll(): Promise<void> {
    for (const [images, contents] of this.#checkpoints) {
      const { damage } = await verify(flows(), images, { chain: true });
      assert.deepEqual(damage, []);
      await assertHolds(this.t, images, contents);
    }
  }

  #any(): [string, Contents] {
    return [...this.#checkpoints][this.random(this.#checkpoints.size)] as [string, Contents];
  }

  #name(): string {
    return `${this.#disk}/${this.#made++}`;
  }

  async #dump(): Promise<void> {
    for (let changes = this.random(5); changes >= 0; changes -= 1) this.#ghosts.change();
    const images = this.#name();
    await dumpInto(images);
    this.#checkpoints.set(images, this.#ghosts.contents());
    this.done.push(`dump ${images}`);
  }

  async #pack(): Promise<void> {
    const [[images], [parent]] = [this.#any(), this.#any()];
    await this.#attempt(`pack ${images} with ${parent}`, () => pack(flows(), { images, parent }));
  }

  async #materialize(): Promise<void> {
    const [images] = this.#any();
    await this.#attempt(`materialize ${images}`, () => unpack(flows(), { images }));
  }

  async #materializeTo(): Promise<void> {
    const [[images, contents], to] = [this.#any(), this.#name()];
    await unpack(flows(), { images, to });
    this.#checkpoints.set(to, contents);
    this.done.push(`materialize ${images} to ${to}`);
  }

  /** Any checkpoint may go: those that need it take over what they need. */
  async #forget(): Promise<void> {
    const [images] = this.#any();
    if (this.#checkpoints.size <= 3) return;
    const { children } = await forget(flows(), { images });
    this.#checkpoints.delete(images);
    assert.equal(fs.existsSync(images), false);
    this.done.push(`forget ${images} with ${children.length} children`);
    for (const { images: child } of children)
      await assertHolds(this.t, child, this.#checkpoints.get(child) as Contents);
  }

  async #attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.done.push(what);
    } catch (error) {
      if (!(error instanceof GhostkeepError) || !refusals.has(error.code)) throw error;
      this.done.push(`${what}: ${error.code}`);
    }
  }
}

describe('histories', () => {
  it(`when a history is random, every checkpoint is what the files were (GHOSTKEEP_SEED=${seed})`, async t => {
    const history = new History(t, randomFrom(seed));
    try {
      for (let step = 0; step < steps; step += 1) await history.step();
      await history.assertAll();
    } catch (error) {
      t.diagnostic(`GHOSTKEEP_SEED=${seed}: ${history.done.join(', ')}`);
      throw error;
    }
    t.diagnostic(`${steps} steps`);
    for (const kind of ['pack', 'materialize', 'forget'])
      assert.ok(
        history.done.some(step => step.startsWith(kind) && !/: [A-Z_]+$/.test(step)),
        `GHOSTKEEP_SEED=${seed}: no ${kind} succeeded`,
      );
  });
});
