import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showDoctor } from '../../../../src/cli/print/show-doctor.js';

describe('what doctor prints', () => {
  it('the output of doctor has a line for each finding, below it the command that mends it, and a summary', () => {
    const text = showDoctor({
      ok: false,
      bases: [],
      findings: [
        { name: 'kernel', status: 'ok', says: 'Linux 6.12' },
        { name: 'gate', status: 'broken', says: 'it is gone', command: 'bash install.sh' },
        { name: 'criu options', status: 'warning', says: 'ignored' },
      ],
    });
    assert.deepEqual(text.split('\n'), [
      'ok       kernel        Linux 6.12',
      'broken   gate          it is gone',
      '                       run: bash install.sh',
      'warning  criu options  ignored',
      '',
      '1 broken, 1 warning',
      '',
    ]);
  });

  it('the output of doctor says that everything is in order where no finding is a warning or broken', () => {
    const text = showDoctor({ ok: true, bases: [], findings: [{ name: 'a', status: 'ok', says: 'b' }] });
    assert.equal(text, 'ok       a  b\n\neverything is in order\n');
  });

  it('the output of doctor has no character of a hostile name that acts on the terminal', () => {
    const says = 'container \u001b[2J\nok  forged';
    const text = showDoctor({ ok: true, bases: [], findings: [{ name: 'paused', status: 'ok', says }] });
    assert.equal(text.split('\n')[0], 'ok       paused  container \\x1b[2J ok  forged');
  });
});
