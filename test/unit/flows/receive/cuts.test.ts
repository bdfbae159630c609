/** Random rounds whose connections are cut anywhere: what is committed at the end is what the sender had. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { randomFrom, seed } from '../../../random.js';
import { temporaryFolder } from '../../../scenario/ghostkeep.js';
import { ModelSender } from '../../model-sender.js';
import { connect } from './connection.js';

const rounds = Number(process.env['GHOSTKEEP_ROUNDS'] ?? 25);
const block = 16384;

/** Blocks have one of few contents, so that a block is often what it was two rounds before: A, B, A. */
class Changing {
  readonly ghosts = new Map<string, Buffer>();
  #made = 0;
  readonly #earlier: Map<string, Buffer>[] = [];

  constructor(private readonly random: (below: number) => number) {
    for (let count = 0; count < 3; count += 1) this.come();
  }

  come(): void {
    // The receiver acknowledges each 16 MiB. So one ghost is larger.
    const size = this.#made === 0 ? 20 << 20 : this.random(60 * block);
    this.ghosts.set(`fd00-${(this.#made++).toString(16)}-0`, this.#content(size));
  }

  /** Gives all ghosts the content that they had a round or two ago: A, B, A. */
  goBack(): void {
    const earlier = this.#earlier.at(-2 - this.random(2));
    if (!earlier) return;
    this.ghosts.clear();
    for (const [key, content] of earlier) this.ghosts.set(key, Buffer.from(content));
  }

  remember(): void {
    this.#earlier.push(new Map([...this.ghosts].map(([key, content]) => [key, Buffer.from(content)])));
    if (this.#earlier.length > 3) this.#earlier.shift();
  }

  change(): void {
    const { random } = this;
    const keys = [...this.ghosts.keys()];
    const key = keys[random(keys.length)] as string;
    const content = this.ghosts.get(key) as Buffer;
    const kind = random(10);
    if (kind === 0 && keys.length < 6) this.come();
    else if (kind === 1 && keys.length > 1) this.ghosts.delete(key);
    else if (kind < 4) this.ghosts.set(key, this.#resized(content, random(70 * block)));
    else
      for (let count = random(12); count > 0; count -= 1)
        this.#paint(content, random(Math.max(70, content.length / block)));
  }

  #resized(content: Buffer, size: number): Buffer {
    const resized = Buffer.alloc(size);
    content.copy(resized);
    return resized;
  }

  #content(size: number): Buffer {
    const content = Buffer.alloc(size);
    for (let at = 0; at * block < size; at += 1) this.#paint(content, at);
    return content;
  }

  #paint(content: Buffer, at: number): void {
    if (at * block >= content.length) return;
    content.fill(
      [0, 0xaa, 0xbb][this.random(3)] as number,
      at * block,
      Math.min((at + 1) * block, content.length),
    );
  }
}

async function roundsWithCuts(t: TestContext, seed: number): Promise<number> {
  const random = randomFrom(seed);
  const folder = temporaryFolder(t, fs.existsSync('/dev/shm') ? '/dev/shm' : undefined);
  const images = `${folder}/images`;
  const changing = new Changing(random);
  const sender = new ModelSender(random);
  let committed = 0;
  for (let round = 0; round < rounds; round += 1) {
    if (random(3) === 0) changing.goBack();
    else for (let count = random(4); count > 0; count -= 1) changing.change();
    changing.remember();
    if (random(8) === 0) sender.forget();
    if (random(3) === 0) sender.goBack();
    if (random(30) === 0) reboot(images);
    const prepared = sender.prepare('round', changing.ghosts);
    const bytes = prepared.stream.bytes();
    const end = random(3) === 0 ? bytes.length : random(bytes.length + 1);
    const { answers } = await connect(images, folder, bytes.subarray(0, end));
    // Some answers are lost. Then the sender does not know that the receiver has what was written.
    const heard = random(2) ? answers : answers.slice(0, random(answers.length + 1));
    if (sender.hear(prepared, heard).committed) committed += 1;
    const isCommitted = answers.some(({ type, message }) => type === 'committed' && message?.['needs'] === 0);
    if (isCommitted) assertHas(images, changing.ghosts, `seed ${seed}, round ${round}`);
  }
  for (let tries = 0; ; tries += 1) {
    const prepared = sender.prepare('dump', changing.ghosts);
    const { answers, error } = await connect(images, folder, prepared.stream.bytes());
    if (sender.hear(prepared, answers).committed) break;
    assert.ok(tries < 3, `seed ${seed}: a whole round is not committed: ${String(error)}`);
  }
  assertHas(images, changing.ghosts, `seed ${seed}, the end`);
  return committed;
}

/** Nobody relies on tables that were on the disk before a power failure. */
function reboot(images: string): void {
  const path = `${images}/ghostkeep/receiver.json`;
  if (!fs.existsSync(path)) return;
  const receiver = JSON.parse(fs.readFileSync(path, 'utf8')) as object;
  fs.writeFileSync(path, JSON.stringify({ ...receiver, boot: 'another' }));
  for (const name of fs.readdirSync(`${images}/ghostkeep`))
    if (name.endsWith('.table')) fs.writeFileSync(`${images}/ghostkeep/${name}`, '');
}

function assertHas(images: string, ghosts: ReadonlyMap<string, Buffer>, where: string): void {
  const names = fs.readdirSync(`${images}/ghostkeep`).filter(name => name.endsWith('.data'));
  assert.deepEqual(names.sort(), [...ghosts.keys()].map(key => `moved-${key}.data`).sort(), where);
  for (const [key, content] of ghosts)
    assert.ok(fs.readFileSync(`${images}/ghostkeep/moved-${key}.data`).equals(content), `${where}: ${key}`);
}

describe('rounds whose connections are cut anywhere', () => {
  it(`rounds whose connections are cut anywhere leave what the sender had (GHOSTKEEP_SEED=${seed})`, async t => {
    const committed = await roundsWithCuts(t, seed);
    console.log(`# ${rounds} rounds from seed ${seed}, ${committed} of them committed`);
  });
});
