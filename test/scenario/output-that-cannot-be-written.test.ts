import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { ghostFile, program, temporaryFolder } from './ghostkeep.js';

/** Run the program with what is written to stdout or stderr going to /dev/full. */
function full(args: string[], which: 'stdout' | 'stderr') {
  const fd = fs.openSync('/dev/full', 'w');
  try {
    const stdio = which === 'stdout' ? (['ignore', fd, 'pipe'] as const) : (['ignore', 'pipe', fd] as const);
    return spawnSync(process.execPath, [program, ...args], { stdio: [...stdio], encoding: 'utf8' });
  } finally {
    fs.closeSync(fd);
  }
}

describe('output that cannot be written', () => {
  it('when stdout is full, it is a failure with one line that ends in the code', t => {
    const images = `${temporaryFolder(t)}/images`;
    ghostFile(t, temporaryFolder(t), 'ghost', 'content');
    const pid = String(process.pid);
    for (const args of [
      ['--help'],
      ['scan', '--help'],
      ['scan', '--pid', pid],
      ['scan', '--pid', pid, '--json'],
      ['dump', '--pid', pid, '-D', images],
      ['show', '-D', images, '--extents'],
    ]) {
      const { status, stderr } = full(args, 'stdout');
      assert.equal(status, 1, args.join(' '));
      assert.match(stderr, /^ghostkeep: cannot write to stdout: ENOSPC.* \[NO_SPACE\]\n$/, args.join(' '));
    }
    assert.ok(fs.existsSync(`${images}/ghostkeep/manifest.json`), 'the dump itself was done');
  });

  it('when stderr is full, the status stays what it is', () => {
    assert.equal(full(['nonsense'], 'stderr').status, 2);
    assert.equal(full(['scan', '--container', 'gk-none'], 'stderr').status, 1);
  });

  it('when the reader has gone, nothing is said and the work is done', async t => {
    const folder = temporaryFolder(t);
    const images = `${folder}/images`;
    ghostFile(t, folder, 'ghost', 'content');
    const child = spawn(process.execPath, [program, 'dump', '--pid', String(process.pid), '-D', images], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text;
    });
    const status = await new Promise(resolve => child.on('close', resolve));
    assert.deepEqual([status, said], [0, '']);
    assert.ok(fs.existsSync(`${images}/ghostkeep/manifest.json`));
  });
});
