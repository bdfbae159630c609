import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from '../../../../../src/flows/doctor/look/criu-options.js';

describe("the options in a configuration file of CRIU's", () => {
  it('a configuration file of CRIU has one option on a line, with a value behind a space or an equals sign; comments are left out', () => {
    const text = [
      '# all of it',
      '',
      'tcp-established',
      'ghost-limit 1G # large',
      '  log-file=dump.log',
      '--libdir "/a b"',
    ];
    assert.deepEqual(parseOptions(text.join('\n')), [
      { name: 'tcp-established', value: '' },
      { name: 'ghost-limit', value: '1G' },
      { name: 'log-file', value: 'dump.log' },
      { name: 'libdir', value: '/a b' },
    ]);
  });
});
