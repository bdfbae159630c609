import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { toFileStat } from '../../../../src/host/native/stat.js';

const module = new URL('../../../../src/host/native/stat.ts', import.meta.url);
const program = `
  import fs from 'node:fs';
  import { toFileStat } from '${module}';
  const { birthtimeNs, ctimeNs } = toFileStat(fs.statSync('.', { bigint: true }));
  console.log(String(birthtimeNs), ctimeNs > 0n);`;

describe('toFileStat', () => {
  it('when the kernel tells a birth time, it is that of the file', () => {
    const own = fs.statSync(module, { bigint: true });
    assert.ok(own.birthtimeNs > 0n);
    assert.equal(toFileStat(own).birthtimeNs, own.birthtimeNs);
  });

  it('when statx(2) is forbidden, the time of the last change does not pass for a birth time', t => {
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', program];
    const strace = ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=statx:error=ENOSYS'];
    if (spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status !== 0)
      return t.skip('strace is not installed, or may not trace');
    const { stdout } = spawnSync('strace', [...strace, ...node], { encoding: 'utf8' });
    assert.equal(stdout, '0 true\n');
  });
});
