/** The helper alone, with a test as the gate: native/gate/PROTOCOL.md. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import readline from 'node:readline';
import type { TestContext } from 'node:test';
import { filesImage, regFile } from '../unit/criu/images.js';
import { command } from './ghostkeep.js';

const longestLine = 4096;

export class Gate {
  /** The helper's lines for CRIU's log. */
  readonly said: string[] = [];
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  constructor(t: TestContext, stage: string, images: string, by: readonly [string, ...string[]] = command) {
    const folder = fs.openSync(images, 'r');
    const [file, ...words] = by;
    this.#child = spawn(file, [...words, 'gate', stage], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', folder],
      cwd: '/',
      env: {},
    });
    fs.closeSync(folder);
    t.after(() => this.#child.kill('SIGKILL'));
    this.#socket = this.#child.stdio[3] as Socket;
    this.#lines = readline.createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  say(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  /** Lines up to the answer; signs of life and notes are checked and left out. */
  async answer(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) return [...lines, 'end of file'];
      const line = value as string;
      assert.ok(Buffer.byteLength(line) < longestLine);
      if (/^(note|warn|progress) /.test(line)) this.said.push(line);
      else lines.push(line);
      if (/^(ready|done|refuse)\b/.test(line)) return lines;
    }
  }

  async ask(line: string): Promise<string[]> {
    this.say(line);
    return this.answer();
  }

  /**
   * Ends as the gate does after `finish`: it waits until the helper has closed the socket, and for no
   * process.
   */
  async leave(): Promise<void> {
    const hungUp = once(this.#socket, 'close');
    this.#socket.end();
    await hungUp;
    this.#child.kill('SIGKILL');
  }

  /** Ends as the gate does when CRIU has been killed. */
  hangUp(): void {
    this.#socket.destroy();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /**
   * Ends the connection, as the gate does when it ends or has finished, and waits for the helper.
   * @returns the helper's exit status
   */
  async end(): Promise<number | null> {
    this.#socket.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }
}

/** The helper sees CONFIG as /etc/ghostkeep/config.json, and nobody else does. */
export function gateWith(t: TestContext, folder: string, images: string, config: object): Gate {
  for (const name of ['etc/ghostkeep', 'work']) fs.mkdirSync(`${folder}/${name}`, { recursive: true });
  fs.writeFileSync(`${folder}/etc/ghostkeep/config.json`, JSON.stringify(config));
  const over = `lowerdir=/etc,upperdir=${folder}/etc,workdir=${folder}/work`;
  const inside = `mount -t overlay -o ${over} etc /etc && exec "$@"`;
  return new Gate(t, 'dump', images, [
    '/usr/bin/unshare',
    '--mount',
    '/bin/sh',
    '-c',
    inside,
    'sh',
    ...command,
  ]);
}

/** Writes CRIU's files, the inventory last; no two inventories are equal. */
export function endOfCriu(images: string, ...keys: string[]): void {
  const entries = keys.map((name, index) => regFile({ id: index + 1, name, ext: true }));
  fs.writeFileSync(`${images}/files.img`, filesImage(...entries));
  fs.writeFileSync(`${images}/inventory.img`, `inventory ${randomUUID()}`);
}
