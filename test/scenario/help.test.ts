import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { commands } from '../../src/cli/commands.js';
import { command, ghostkeep, needs } from './ghostkeep.js';

const helpOf = (name: string) => ghostkeep([name, '--help'].filter(Boolean)).stdout;

describe('the text of --help', () => {
  it('the help of every command fits into 100 columns and has all words of the table of commands', () => {
    const flat = (text: string) => text.replaceAll(/\s+/g, ' ');
    for (const line of helpOf('').split('\n')) assert.ok(line.length <= 100, line);
    for (const [name, { usage, details = '', summary }] of Object.entries(commands)) {
      const text = helpOf(name);
      for (const line of text.split('\n')) assert.ok(line.length <= 100, `${name}: ${line}`);
      for (const part of [usage, details, summary])
        assert.ok(flat(text).includes(flat(part)), `${name}: ${part}`);
    }
  });

  it('a sentence of a help text that begins with an option begins a line', () => {
    for (const name of Object.keys(commands)) assert.doesNotMatch(helpOf(name), /\. --?[a-zA-Z]/, name);
    assert.match(helpOf('scan'), /^--watch looks again every two seconds\.$/m);
  });

  it('when stdout is a narrow terminal, help breaks its lines between words', t => {
    if (!needs(t, spawnSync('script', ['--version']).status === 0, 'script(1) is not installed')) return;
    const words = [...command, 'show', '--help'].map(word => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['-qec', `stty cols 60; ${words}`, '/dev/null'], {
      encoding: 'utf8',
    });
    const lines = stdout.trimEnd().split('\r\n');
    assert.ok(lines.length > 15 && lines.every(line => line.length <= 60), stdout);
  });
});
