import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ghostkeep, program, publicProgram } from './ghostkeep.js';

describe('libghostkeep.so', () => {
  it('when it is missing or damaged, the error says so and how to get it back', t => {
    const at = publicProgram(t);
    const library = path.join(path.dirname(at), '../build/libghostkeep.so');
    const whole = fs.readFileSync(library);
    const gate = path.join(path.dirname(program), '../build/ghostkeep.so');
    const cases: [string, Buffer | undefined, RegExp][] = [
      ['missing', undefined, /cannot find /],
      ['empty', Buffer.alloc(0), /it is no shared library/],
      ['text', Buffer.from('<html>'.repeat(100)), /it is no shared library/],
      // dlopen would map what is not there and die of it.
      ['cut in its code', whole.subarray(0, 8192), /it has 8192 of \d+ bytes/],
      ['cut at its end', whole.subarray(0, -100), /it has \d+ of \d+ bytes/],
      ['another library', fs.readFileSync(gate), /gk_abi|symbol/],
    ];
    for (const [what, bytes, reason] of cases) {
      fs.rmSync(library, { force: true });
      if (bytes) fs.writeFileSync(library, bytes);
      const { status, stdout, stderr } = ghostkeep(['scan', '--pid', String(process.pid)], { at });
      assert.deepEqual([status, stdout], [1, ''], `${what}: ${stderr}`);
      assert.match(stderr, /^ghostkeep: cannot .*`npm run build`.*install\.sh.* \[NATIVE_MISSING\]\n$/, what);
      assert.match(stderr, reason, what);
    }
  });

  it('when koffi is missing, it says so', t => {
    const at = publicProgram(t);
    fs.rmSync(path.join(path.dirname(at), '../node_modules'), { recursive: true });
    const { status, stderr } = ghostkeep(['scan', '--pid', String(process.pid)], { at });
    assert.equal(status, 1);
    assert.match(stderr, /^ghostkeep: cannot load .*koffi.* \[NATIVE_MISSING\]\n$/);
  });
});
