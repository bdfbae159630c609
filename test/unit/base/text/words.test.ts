import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { splitWords } from '../../../../src/base/text/words.js';

describe('a command that is run without a shell', () => {
  it('a command without a shell is split into the words that a shell would make of it', () => {
    for (const [text, words] of [
      ['ssh backup ghostkeep receive -D /srv', ['ssh', 'backup', 'ghostkeep', 'receive', '-D', '/srv']],
      ['  a\t\'b  c\'\n"d e"f ', ['a', 'b  c', 'd ef']],
      ['a\\ b "c\\"d\\$\\n" \'\\\'', ['a b', 'c"d$\\n', '\\']],
      ["'' a''", ['', 'a']],
      ['a=~/b#c', ['a=~/b#c']],
    ] as const)
      assert.deepEqual(splitWords(text), words, text);
  });

  it('a command without a shell is refused where a shell would do more than split it', () => {
    for (const [text, reason] of [
      ['a | b', /act on \|/],
      ['a > b', /act on >/],
      ['echo $HOME', /act on \$/],
      ['echo "$HOME"', /expand \$/],
      ['echo "`id`"', /expand `/],
      ['ls *', /act on \*/],
      ['~/bin/x', /act on ~/],
      ["a 'b", /quote ' has no end/],
      ['a\\', /last backslash/],
      ['  ', /empty/],
    ] as const) {
      const said = splitWords(text);
      assert.ok(typeof said === 'string' && reason.test(said), `${text}: ${said}`);
    }
  });
});
