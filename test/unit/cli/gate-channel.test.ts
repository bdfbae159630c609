import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import type { Duplex } from 'node:stream';
import { afterEach, describe, it } from 'node:test';

/** The helper's end is descriptor 3 of a process of its own; we are the gate. */
class Gate {
  static readonly all: ChildProcess[] = [];
  readonly child: ChildProcess;
  readonly socket: Duplex;
  readonly #lines: AsyncIterator<string>;

  constructor(helper: string) {
    const module = new URL('../../../src/cli/gate-channel.ts', import.meta.url).href;
    const program = `
      import { GateChannel } from ${JSON.stringify(module)};
      const channel = new GateChannel();
      ${helper}
    `;
    this.child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', program],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      },
    );
    Gate.all.push(this.child);
    this.socket = this.child.stdio[3] as Duplex;
    this.#lines = readline.createInterface({ input: this.socket })[Symbol.asyncIterator]();
  }

  async heard(): Promise<string> {
    return (await this.#lines.next()).value;
  }

  say(line: string): void {
    this.socket.write(`${line}\n`);
  }
}

afterEach(() => {
  for (const child of Gate.all.splice(0)) child.kill('SIGKILL');
});

const lookUp = `
  for (let line = await channel.next(); line !== undefined; line = await channel.next()) {
    try {
      channel.say('found ' + JSON.stringify((await channel.lookup(line)) ?? null));
    } catch (error) {
      channel.say('error ' + error.code + ' ' + error.message);
    }
  }
`;

describe('GateChannel', () => {
  it('when the helper is ready, it says which protocol version it speaks and which build it is', async () => {
    assert.equal(await new Gate('channel.ready();').heard(), 'ready 4 unbundled');
  });

  it('when a key cannot be sent in one line unchanged, the helper does not look it up: it would be the key of another mount', async () => {
    const keys = ['mnt[/a\nb]', 'mnt[/a\x7fb]', `mnt[/${'a'.repeat(4000)}]`, 'mnt[/a b]'];
    const gate = new Gate(`
      for (const key of ${JSON.stringify(keys)}) channel.say('found ' + (channel.lookup(key) ?? 'none'));
    `);
    for (const _ of keys.slice(1)) assert.equal(await gate.heard(), 'found none');
    assert.equal(await gate.heard(), 'lookup mnt[/a b]');
  });

  it("when the helper looks a mount up, the gate's answer is a value, an empty value, or none", async () => {
    const gate = new Gate(lookUp);
    for (const [answer, found] of [
      ['value /srv/shm', '"/srv/shm"'],
      ['value with two  spaces ', '"with two  spaces "'],
      ['value', '""'],
      ['none', 'null'],
    ] as const) {
      gate.say('mnt[/dev/shm]');
      assert.equal(await gate.heard(), 'lookup mnt[/dev/shm]');
      gate.say(answer);
      assert.equal(await gate.heard(), `found ${found}`);
    }
  });

  it("when the gate's answer is unknown, the protocol counts as broken", async () => {
    const gate = new Gate(lookUp);
    gate.say('mnt[/a]');
    await gate.heard();
    gate.say('valued /srv');
    assert.match(
      await gate.heard(),
      /^error PROTOCOL cannot look up mnt\[\/a\]: the gate answered "valued \/srv"/,
    );
  });

  it('when the gate closes the socket instead of answering, the helper ends', async () => {
    const gate = new Gate(lookUp);
    gate.say('mnt[/a]');
    assert.equal(await gate.heard(), 'lookup mnt[/a]');
    const ended = once(gate.child, 'exit');
    gate.socket.end();
    assert.deepEqual(await ended, [0, null]);
  });

  it('when a line has control characters or is too long, one line of 4096 bytes is sent, cut between characters', async () => {
    const gate = new Gate(`
      channel.say('note a\\nb\\r\\x00c\\x7f');
      channel.say('note ' + '\\u00fc'.repeat(5000));
    `);
    assert.equal(await gate.heard(), 'note a b  c ');
    const long = await gate.heard();
    assert.ok(
      Buffer.byteLength(long) <= 4095 && Buffer.byteLength(long) > 4090,
      `${Buffer.byteLength(long)}`,
    );
    assert.match(long, /^note ü+$/);
  });
});
