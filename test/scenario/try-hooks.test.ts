import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { assertDocument } from '../../src/base/documents/document.js';
import type { Trial } from '../../src/base/documents/generated/trial.js';
import { publicProgram } from './ghostkeep.js';
import { makeBundle, run, tryBundle } from './try-hooks-bundles.js';

const hostLog = '/var/log/ghostkeep.log';
const kinds = [
  'dense',
  'hole-1g-8k',
  'alternate-8m',
  'hole-64m-4m',
  'deleted-exe',
  'small',
  'shared',
  'tail-odd',
];

describe('try-hooks with the installed hooks', () => {
  it('try-hooks brings every ghost back equal, and leaves no file', async () => {
    const { status, stdout, stderr, left } = await run(['--json']);
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(left, []);
    const trial: unknown = JSON.parse(stdout);
    assertDocument<Trial>('Trial', trial, 'try-hooks --json', 'BAD_INPUT');
    assertEqual(trial);
  });

  it('try-hooks brings back every ghost that an unprivileged user can see', {
    skip: isRoot() ? false : 'needs root',
  }, async t => {
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const { status, stdout, stderr } = await run(
      ['--json'],
      ['/usr/bin/env', 'PATH=/usr/bin:/bin', ...nobody],
      'try-hooks',
      publicProgram(t),
    );
    assert.equal(status, 0, stdout + stderr);
    const trial = JSON.parse(stdout) as Trial;
    assertEqual(trial);
    assert.deepEqual(
      trial.ghosts.map(({ kind }) => kind),
      kinds,
    );
    assert.match(trial.notTried.join('\n'), /map_files/);
  });

  it('try-hooks prints a timeline and a table for people', async () => {
    const { status, stdout } = await run([]);
    assert.equal(status, 0, stdout);
    for (const step of ['prestart', 'freeze', 'poststop', 'kill', 'restore', 'examine'])
      assert.match(stdout, new RegExp(`^ +[0-9]+  ${step} `, 'm'));
    assert.match(stdout, /^hole-1g-8k +1 GiB +8 KiB +8 KiB +1 GiB +equal +equal +101 RDWR @536875025$/m);
  });

  for (const stages of [['createRuntime'], ['createRuntime', 'prestart']] as const)
    it(`try-hooks calls a bundle's hooks in the order of the OCI specification where they are ${stages.join(' and ')}`, async () => {
      const { bundle, remove } = makeBundle({}, 30, undefined, stages);
      const { status, trial, stdout } = await tryBundle(bundle);
      remove();
      assert.equal(status, 0, stdout);
      const starts = stages.toReversed();
      assertEqual(trial, [...starts, 'poststop', ...starts, 'poststop']);
    });

  it('try-hooks keeps the files that it made with --keep', async () => {
    const { status, left } = await run(['--keep', '--json']);
    assert.equal(status, 0);
    assert.equal(left.length, 1);
  });
});

function assertEqual(trial: Trial, called = ['prestart', 'poststop', 'prestart', 'poststop']): void {
  assert.equal(trial.ok, true);
  for (const kind of kinds) {
    const ghost = trial.ghosts.find(candidate => candidate.kind === kind);
    assert.ok(ghost, kind);
    assert.deepEqual([ghost.result, ghost.times, ghost.differences], ['equal', 'equal', []]);
    assert.equal(BigInt(ghost.compared) + BigInt(ghost.holes), BigInt(ghost.size), kind);
    assert.ok(ghost.checks >= 8, kind);
  }
  assert.deepEqual(
    trial.timeline.filter(({ status }) => status !== undefined).map(({ step }) => step),
    called,
  );
}

describe('ghostkeep demo', () => {
  it('ghostkeep demo shows the same as try-hooks, and what it does with a real container', async () => {
    const { status, stdout } = await run([], [], 'demo');
    assert.equal(status, 0, stdout);
    assert.match(stdout, / of [89] equal: every byte/);
    assert.match(stdout, /^2\. With runc and CRIU: (skipped, .+|a container .+)$/m);
    assert.match(stdout, /It takes .* leaves nothing/s);
  });

  it('the command that README.md shows plays the demo', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, line = ''] =
      /run by test\/scenario\/try-hooks\.test\.ts -->\n```sh\n(.*)\n```/.exec(readme) ?? [];
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], {
      cwd: new URL('../..', import.meta.url),
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, / of [89] equal: every byte/);
  });

  it('ghostkeep demo writes no line to the log of the host', {
    skip: isRoot() ? false : 'needs root',
  }, async () => {
    // Other tests may run hooks at the same time, so we look for the folder of this trial in the log.
    const lines = () => (existsSync(hostLog) ? readFileSync(hostLog, 'utf8').split('\n') : []);
    const ofTrials = () => lines().filter(line => line.includes('ghostkeep-try-')).length;
    const before = ofTrials();
    const { status, left } = await run([], [], 'demo');
    assert.equal(status, 0);
    assert.deepEqual(left, []);
    assert.equal(ofTrials(), before);
  });
});

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
