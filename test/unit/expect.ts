import assert from 'node:assert/strict';
import { type ErrorCode, GhostkeepError } from '../../src/base/errors.js';

/** For assert.throws and assert.rejects: class, code, and what the message must name. */
export function ghostkeepError(code: ErrorCode, ...named: (string | RegExp)[]): (error: unknown) => true {
  return error => {
    assert.ok(error instanceof GhostkeepError, `a GhostkeepError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.ok(error.subject !== '', 'a subject');
    for (const text of named) {
      const found = typeof text === 'string' ? error.message.includes(text) : text.test(error.message);
      assert.ok(found, `${JSON.stringify(error.message)} names ${text}`);
    }
    return true;
  };
}
