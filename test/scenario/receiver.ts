/** A receiver in a process of its own, and a sender that goes on while it answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { type Answer, parseAnswers } from '../unit/move-stream.js';
import { command } from './ghostkeep.js';

export class Receiver {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  stderr = '';
  readonly #heard: Buffer[] = [];

  constructor(t: TestContext, args: readonly string[]) {
    const [program, ...words] = command;
    this.child = spawn(program, [...words, 'receive', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (data: Buffer) => this.#heard.push(data));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.child.stdin?.on('error', () => {});
    this.ended = new Promise(resolve =>
      this.child.on('close', (status, signal) => resolve(status ?? signal ?? 'nothing')),
    );
    t.after(() => this.child.kill('SIGKILL'));
  }

  write(bytes: Buffer): void {
    this.child.stdin?.write(bytes);
  }

  end(): Promise<number | string> {
    this.child.stdin?.end();
    return this.ended;
  }

  /** Everything that it has said. */
  get heard(): Buffer {
    return Buffer.concat(this.#heard);
  }

  /** The answers that are complete. A receiver that was killed may have said a part of one. */
  answers(): Answer[] {
    const { heard } = this;
    let end = Math.min(16, heard.length);
    while (end + 16 <= heard.length && end + 16 + heard.readUInt32LE(end + 4) <= heard.length)
      end += 16 + heard.readUInt32LE(end + 4);
    return end < 16 ? [] : parseAnswers(heard.subarray(0, end));
  }
}
