import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { register } from '../../../../src/flows/hooks/register.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext } from '../../fake-host.js';

describe('register', () => {
  it('when the folder has no config.json, register says what a bundle is, without the words of Node.js', () => {
    assert.throws(
      () => register(fakeContext(), '/nowhere', undefined),
      ghostkeepError(
        'BAD_INPUT',
        /^cannot register hooks in \/nowhere\/config\.json: there is no such file; a bundle is /,
      ),
    );
  });
});
