import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Trial, TrialStep } from '../../src/base/documents/generated/trial.js';
import { makeBundle, program, run, tryBundle, writeConfig } from './try-hooks-bundles.js';

/** Shell: D becomes the image directory of the trial that runs the hook, which lies in its TMPDIR. */
const findImages = `for D in $(tr '\\0' '\\n' </proc/$PPID/environ | sed -n 's/^TMPDIR=//p')/*/images; do :; done`;

describe('try-hooks with hooks that are wrong', () => {
  it('try-hooks names a byte of an image that poststop has changed', async () => {
    const { bundle, remove } = makeBundle({
      poststop: `"$OURS" || exit 1\n${findImages}\n[ -e $D/ghost-file-1.img ] || exit 0\nprintf '\\377' | dd of=$D/ghost-file-1.img bs=1 seek=5000000 conv=notrunc 2>/dev/null`,
    });
    const { status, trial, left } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.deepEqual(left, []);
    const different = trial.ghosts.filter(({ result }) => result === 'DIFFERENT');
    assert.equal(different.length, 1, JSON.stringify(trial.timeline));
    assert.match(different[0]?.differences.join('\n') ?? '', /^byte [0-9]+ is ff, [0-9a-f]{2} before$/m);
    assert.match(different[0]?.differences.join('\n') ?? '', /in the new process: data: byte [0-9]+/);
  });

  it('try-hooks reports that prestart refuses a truncated image at restore', async () => {
    const { bundle, remove } = makeBundle({
      poststop: `"$OURS" || exit 1\n${findImages}\n[ -e $D/ghost-file-1.img ] || exit 0\ntruncate -s 9000 $D/ghost-file-1.img`,
    });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    const failed = failedStep(trial);
    assert.deepEqual([failed?.step, failed?.status], ['prestart', 1]);
    assert.match(
      failed?.stderr ?? '',
      /cannot restore from .*ghost-file-1\.img is damaged.*\[IMAGE_TRUNCATED\]/,
    );
  });

  it('try-hooks ends when prestart fails, with its status and its output', async () => {
    const { bundle, remove } = makeBundle({ prestart: 'echo "no such luck" >&2; exit 3' });
    const { status, trial, left } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.deepEqual(left, []);
    assert.deepEqual(trial.ghosts, []);
    const failed = failedStep(trial);
    assert.deepEqual([failed?.step, failed?.status, failed?.stderr?.trim()], ['prestart', 3, 'no such luck']);
    assert.match(failed?.what ?? '', /prestart hook prestart .*ended with status 3 \[HOOK_FAILED\]$/);
  });

  it('try-hooks prints once what failed, and once what the hook wrote', async () => {
    const { bundle, remove } = makeBundle({ prestart: 'echo "no such luck" >&2; exit 3' });
    const { stdout } = await run(['--bundle', bundle]);
    remove();
    assert.equal(stdout.split('ended with status 3').length - 1, 1, stdout);
    assert.equal(stdout.split('no such luck').length - 1, 1, stdout);
    assert.match(stdout, / FAILED: .*\[HOOK_FAILED\]\n +\| no such luck\n/);
    assert.match(stdout, /^FAILED in prestart: /m);
    assert.doesNotMatch(stdout, /^not tried here/m);
  });

  it('try-hooks stops a container that prestart refuses, and calls its poststop hooks', async () => {
    const { bundle, remove } = makeBundle({
      prestart: 'exit 3',
      poststop: 'read state; echo "$state" >&2',
    });
    const { trial } = await tryBundle(bundle);
    remove();
    assert.deepEqual(
      trial.timeline.slice(-3).map(({ step, failed }) => [step, failed]),
      [
        ['prestart', true],
        ['kill', false],
        ['poststop', false],
      ],
    );
    const state = JSON.parse(trial.timeline.at(-1)?.stderr ?? '') as Record<string, unknown>;
    assert.deepEqual([state['status'], state['pid']], ['stopped', undefined]);
  });

  it('try-hooks calls the poststop hooks that come after a failing one', async () => {
    const { bundle, remove } = makeBundle({});
    const { hooks } = readConfig(bundle);
    writeConfig(bundle, { ...hooks, poststop: [{ path: '/bin/false' }, ...(hooks.poststop ?? [])] });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.deepEqual(
      trial.timeline.slice(-2).map(({ step, status: its }) => [step, its]),
      [
        ['poststop', 1],
        ['poststop', 0],
      ],
    );
  });

  it('try-hooks says that the interpreter of a hook is missing', async () => {
    const { bundle, remove } = makeBundle({});
    writeFileSync(path.join(bundle, 'prestart'), '#!/no/such/shell\n');
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.match(failedStep(trial)?.what ?? '', /cannot be started: .*first line names\? \[HOOK_FAILED\]$/);
  });

  it('try-hooks says that the hooks do nothing because of the policy', async () => {
    const { bundle, remove } = makeBundle({}, 30, { 'io.ghostkeep.enabled': 'false' });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    const last = trial.timeline.at(-1);
    assert.deepEqual([last?.step, last?.failed], ['record', true]);
    assert.match(
      last?.what ?? '',
      /do nothing here: the annotation io\.ghostkeep\.enabled=false .*\[HOOK_FAILED\]$/,
    );
  });

  it('try-hooks names hooks of other stages as not tried', async () => {
    const { bundle, remove } = makeBundle({});
    writeConfig(bundle, {
      ...readConfig(bundle).hooks,
      poststart: [{ path: '/bin/false' }],
      startContainer: [],
    });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 0);
    assert.match(
      trial.notTried.join('\n'),
      /^hooks poststart: a trial calls prestart, createRuntime, poststop only$/m,
    );
  });

  it('try-hooks kills a hook that hangs after its timeout, with the processes that it started', async () => {
    const { bundle, remove } = makeBundle({ prestart: 'sleep 471147 & sleep 471148' }, 1);
    const started = performance.now();
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.ok(performance.now() - started < 20_000);
    assert.match(
      failedStep(trial)?.what ?? '',
      /was killed after 1 s \(its timeout is 1 s\) \[HOOK_FAILED\]$/,
    );
    assert.deepEqual(runningSleeps(), []);
  });

  it('try-hooks says that the hooks left no session record', async () => {
    const { bundle, remove } = makeBundle({ prestart: 'exit 0' });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.match(trial.timeline.at(-1)?.what ?? '', /the hooks left no session .*\[HOOK_FAILED\]$/);
  });

  it('try-hooks says that the bundle has no annotation of ghostkeep', async () => {
    const { bundle, remove } = makeBundle({}, 30, { 'some.annotation': 'x' });
    const { status, trial } = await tryBundle(bundle);
    remove();
    assert.equal(status, 1);
    assert.match(trial.timeline.at(-1)?.what ?? '', /has the bundle an annotation io\.ghostkeep\.\*/);
  });

  it("try-hooks gives a hook only the stanza's environment, its directory and its state", async () => {
    const { bundle, remove } = makeBundle({
      prestart: `cat >state; env | grep -v '^\\(PWD\\|SHLVL\\|_\\|OLDPWD\\|PATH\\)=' >&2; pwd >&2; cat state >&2; exit 9`,
    });
    const { trial } = await tryBundle(bundle);
    remove();
    const said = failedStep(trial)?.stderr?.split('\n') ?? [];
    assert.equal(said[0], bundle, said.join('\n'));
    const state = JSON.parse(said[1] ?? '') as Record<string, unknown>;
    assert.deepEqual([state['status'], state['bundle'], state['ociVersion']], ['creating', bundle, '1.0.2']);
    assert.equal(typeof state['pid'], 'number');
  });
});

describe('try-hooks with a bundle that is wrong', () => {
  const refused = async (write: (bundle: string) => void, expected: RegExp) => {
    const bundle = mkdtempSync(path.join(tmpdir(), 'try-hooks-bad-'));
    write(bundle);
    const { status, stdout } = await run(['--bundle', bundle]);
    rmSync(bundle, { recursive: true });
    assert.equal(status, 1);
    assert.match(stdout, expected);
    assert.match(stdout, / FAILED: .* \[BAD_INPUT\]$/m);
    assert.equal(stdout.match(/^ .*FAILED|^FAILED in bundle: the reason is above$/gm)?.length, 2, stdout);
    assert.doesNotMatch(stdout, /^ +[0-9]+ {2}start /m);
  };
  const good = { path: program, timeout: 1 };

  it('try-hooks refuses a bundle that has no config.json', () =>
    refused(() => {}, /FAILED: cannot read the bundle's .*config\.json: ENOENT/));
  it('try-hooks refuses a bundle that has a config.json that is not JSON', () =>
    refused(bundle => writeFileSync(path.join(bundle, 'config.json'), '{'), /it is not JSON/));
  it('try-hooks refuses a bundle that has no hooks', () =>
    refused(bundle => writeConfig(bundle, {}), /no prestart or createRuntime/));
  it('try-hooks refuses a bundle that has no poststop hooks', () =>
    refused(bundle => writeConfig(bundle, { prestart: [good] }), /no poststop/));
  it('try-hooks refuses a bundle that has a hook with a relative path, a timeout of 0 or a variable without =', () =>
    refused(
      bundle => writeConfig(bundle, { prestart: [{ path: 'a', timeout: 0, env: ['A'] }], poststop: [good] }),
      /hooks\.prestart\.0\.path .*hooks\.prestart\.0\.env\.0 .*hooks\.prestart\.0\.timeout /,
    ));
  it('try-hooks refuses a bundle that has a hook that does not exist', () =>
    refused(
      bundle => writeConfig(bundle, { prestart: [{ path: '/no/such/hook' }], poststop: [good] }),
      /\/no\/such\/hook is not there/,
    ));
  it('try-hooks refuses a bundle that has a hook that cannot be executed', () =>
    refused(
      bundle => writeConfig(bundle, { prestart: [{ path: '/etc/passwd' }], poststop: [good] }),
      /\/etc\/passwd is no file that may be executed/,
    ));
  it('try-hooks refuses a bundle that has a config.json that is a link', () =>
    refused(bundle => symlinkSync('/etc/passwd', path.join(bundle, 'config.json')), /ELOOP/));
  it('try-hooks refuses a bundle that has a config.json that is a device', () =>
    refused(bundle => symlinkSync('/dev/zero', path.join(bundle, 'config.json')), /ELOOP/));
});

function failedStep({ timeline }: Trial): TrialStep | undefined {
  return timeline.find(({ failed }) => failed);
}

function readConfig(bundle: string): { hooks: Record<string, unknown[]> } {
  return JSON.parse(readFileSync(path.join(bundle, 'config.json'), 'utf8')) as {
    hooks: Record<string, unknown[]>;
  };
}

function runningSleeps(): string[] {
  return readdirSync('/proc').filter(pid => {
    try {
      return /^sleep\0(471147|471148)\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
    } catch {
      return false;
    }
  });
}
