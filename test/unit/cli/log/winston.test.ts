import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeWriter } from '../../../../src/cli/log/winston.js';

describe('the log on stderr', () => {
  it('the log on stderr consists of lines of text without control characters, on a terminal or not', t => {
    const written: string[] = [];
    t.mock.method(process.stderr, 'write', (text: string) => written.push(text));
    const write = makeWriter({ level: 'warn' });
    const timestamp = new Date(0).toISOString();
    for (const level of ['info', 'warn', 'error'] as const)
      write({ level, message: 'of \u001b[2J', timestamp });
    assert.deepEqual(written, ['ghostkeep: warning: of \\x1b[2J\n', 'ghostkeep: of \\x1b[2J\n']);
  });
});
