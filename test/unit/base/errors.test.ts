import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import codes from '../../../src/base/error-codes.json' with { type: 'json' };
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../../src/base/errors.js';
import { errno } from '../fake-processes.js';

describe('the error codes', () => {
  it('the error codes stand in alphabetical order in error-codes.json, so that each is found where a reader looks', () => {
    const names = Object.keys(codes);
    assert.deepEqual(names, names.toSorted());
  });
});

describe('translate', () => {
  it('when the error is already a GhostkeepError, it is returned unchanged', () => {
    const ours = new GhostkeepError('DEADLINE', 'x', 'late');
    assert.equal(translate(ours, 'IO', 'y', 'cannot do it'), ours);
  });

  it("when the errno says more than the caller's code, the errno decides the code", () => {
    for (const [code, expected] of [
      ['ENOSPC', 'NO_SPACE'],
      ['EDQUOT', 'NO_SPACE'],
      ['EACCES', 'PERMISSION'],
      ['EPERM', 'PERMISSION'],
      ['ESTALE', 'GHOST_CHANGED'],
      ['EIO', 'SEAL_FAILED'],
    ] as const) {
      const cause = errno(code, 'disk');
      const error = translate(cause, 'SEAL_FAILED', '/images', 'cannot seal /images');
      assert.equal(error.code, expected);
      assert.equal(error.subject, '/images');
      assert.equal(error.message, `cannot seal /images: ${code}: disk`);
      assert.equal(error.cause, cause);
    }
  });

  it('when the thrown value is not an error or has many lines, the message is one line', () => {
    assert.equal(translate('a\n  b', 'IO', 'x', 'cannot').message, 'cannot: a b');
    assert.equal(translate(undefined, 'IO', 'x', 'cannot').message, 'cannot: undefined');
    assert.equal(reasonOf(new Error('one\ntwo\n three')), 'one two three');
    const stale = "Unknown system error -116: Unknown system error -116, stat '/proc/7/fd/1'";
    assert.equal(reasonOf(new Error(stale)), "ESTALE, stat '/proc/7/fd/1'");
  });
});

describe('errnoOf', () => {
  it('when Node has no name for an errno, errnoOf finds its name', () => {
    for (const [errno, name] of [
      [-116, 'ESTALE'],
      [-74, 'EBADMSG'],
      [-122, 'EDQUOT'],
    ] as const) {
      const code = `Unknown system error ${errno}`;
      assert.equal(errnoOf(Object.assign(new Error(code), { code, errno })), name);
    }
  });

  it('when a value is not an error with an errno, errnoOf gives undefined', () => {
    assert.equal(errnoOf(errno('ENOENT')), 'ENOENT');
    assert.equal(errnoOf(errno('E2BIG')), 'E2BIG');
    assert.equal(errnoOf(errno('ERR_FS_FILE_TOO_LARGE')), undefined);
    assert.equal(errnoOf(new GhostkeepError('IO', 'x', 'y')), undefined);
    assert.equal(errnoOf({ code: 'ENOENT' }), undefined);
    assert.equal(errnoOf(null), undefined);
  });
});
