import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ghostkeep, program, publicProgram } from './ghostkeep.js';

describe('libghostkeep.so', () => {
  it('when libghostkeep.so is missing or damaged, the error names it and the way to get it back', t => {
    const at = publicProgram(t);
    const library = path.join(path.dirname(at), '../build/libghostkeep.so');
    const whole = fs.readFileSync(library);
    const gate = path.join(path.dirname(program), '../build/ghostkeep.so');
    const cases: [string, Buffer | undefined, RegExp][] = [
      ['missing', undefined, /cannot find /],
      ['empty', Buffer.alloc(0), /it is no shared library/],
      ['text', Buffer.from('<html>'.repeat(100)), /it is no shared library/],
      // dlopen would map more than the file has, and the process would die of SIGBUS.
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

  it('when a field of a structure has moved in libghostkeep.so under the same version, the library is refused', t => {
    const at = publicProgram(t);
    const folder = path.dirname(path.dirname(at));
    const header = path.join(folder, 'native/include/ghostkeep-proc.h');
    fs.cpSync(fileURLToPath(new URL('../../native', import.meta.url)), path.join(folder, 'native'), {
      recursive: true,
    });
    const before = fs.readFileSync(header, 'utf8');
    const after = before.replace('uint64_t dev, ino, mode,', 'uint64_t ino, dev, mode,');
    assert.notEqual(after, before);
    fs.writeFileSync(header, after);
    execFileSync('make', [
      '-s',
      '-C',
      path.join(folder, 'native/engine'),
      `BUILD=${path.join(folder, 'build')}`,
    ]);
    const { status, stderr } = ghostkeep(['scan', '--pid', String(process.pid)], { at });
    assert.equal(status, 1, stderr);
    assert.match(
      stderr,
      /it has "gk_stat.dev 8 at 8" where this program has "gk_stat.dev 8 at 0".* \[NATIVE_MISSING\]\n$/,
    );
  });

  it('when koffi is missing, the error says that koffi is missing', t => {
    const at = publicProgram(t);
    fs.rmSync(path.join(path.dirname(at), '../node_modules'), { recursive: true });
    const { status, stderr } = ghostkeep(['scan', '--pid', String(process.pid)], { at });
    assert.equal(status, 1);
    assert.match(stderr, /^ghostkeep: cannot load .*koffi.* \[NATIVE_MISSING\]\n$/);
  });
});
