/** `try-hooks --hook` finds what is wrong with somebody else's hook: a good one and bad ones, each a real program. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { HookTrial } from '../../src/base/documents/generated/hook-trial.js';
import { ghostkeep, installedHook, temporaryFolder } from './ghostkeep.js';

/** Writes a hook in shell. */
function hookOf(t: TestContext, script: string, shebang = '#!/bin/sh'): string {
  const file = `${temporaryFolder(t)}/hook`;
  fs.writeFileSync(file, `${shebang}\n${script}\n`, { mode: 0o755 });
  return file;
}

function tried(hook: string, ...more: string[]): { status: number | null; result: HookTrial } {
  const { status, stdout, stderr } = ghostkeep(['try-hooks', '--hook', hook, '--json', ...more]);
  assert.equal(stderr, '');
  return { status, result: JSON.parse(stdout) };
}

/** The faults of a hook, each with the call in which it was found. */
const faults = ({ calls }: HookTrial) =>
  calls.flatMap(({ stage, as, wrong }) => wrong.map(text => `${stage}, ${as}: ${text}`));

const reads = 'state=$(cat)';
const good = `${reads}\ncase $state in *'"status":"'*) exit 0;; esac; exit 1`;

describe('try-hooks --hook', () => {
  it('try-hooks --hook finds nothing wrong with a hook that reads its state and ends', t => {
    const { status, result } = tried(hookOf(t, good));
    assert.deepEqual(faults(result), []);
    assert.equal(status, 0);
    assert.equal(result.calls.length, 2 * 8 + 4);
  });

  it("try-hooks --hook finds nothing wrong with ghostkeep's own hooks", t => {
    for (const stage of ['prestart', 'poststop']) {
      const { result } = tried(installedHook(t, stage), '--stage', stage);
      assert.deepEqual(faults(result), []);
    }
  });

  const bad: [string, string, RegExp, string[]?][] = [
    [
      'needs HOME',
      `: "\${HOME:?}"`,
      /^prestart, runc creates: it ended with status \d+, which ends the container$/,
    ],
    [
      'reads the config.json of the bundle',
      `bundle=$(sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/') && exec grep -q ociVersion "$bundle/config.json"`,
      /^prestart, crun before 1\.27 creates: it ended with status 2/,
    ],
    ['expects annotations', 'grep -q annotations', /^prestart, crun creates: it ended with status 1/],
    [
      'passes the state to a program as one argument',
      `${reads}; exec /bin/echo "$state"`,
      /^prestart, CRI-O creates: it ended with status \d+/,
    ],
    [
      'runs text of the state as code',
      `eval "text=\\"$(sed -n 's/.*"text":"\\(.*\\)"}.*/\\1/p')\\"" 2>/dev/null; exit 0`,
      /^prestart, CRI-O creates: it ran text of the state as code/,
    ],
    [
      'accepts one version of the state alone',
      `grep -q '"ociVersion":"1.2.0"'`,
      /^prestart, a later runtime creates: it ended with status 1/,
    ],
    [
      'may not be called twice',
      `${reads}; mkdir "\${0%/*}/lock"`,
      /^prestart, podman creates: it ended with status 1/,
    ],
    [
      'expects a pid of a container that is gone',
      `${reads}; case $state in *'"pid":'[1-9]*) exit 0;; esac; exit 1`,
      /^poststop, runc deletes: it ended with status 1/,
    ],
    [
      'hangs',
      'exec /bin/sleep 60',
      /^poststop, runc deletes: it was killed after 1 s$/,
      ['--timeout', '1', '--stage', 'poststop'],
    ],
    [
      'leaves a process behind that holds its stderr',
      `${reads}; /bin/sleep 5 & exit 0`,
      /^poststop, runc deletes: it left a process behind/,
      ['--stage', 'poststop'],
    ],
    [
      "ends the container's process",
      `kill -9 "$(sed -n 's/.*"pid":\\([1-9][0-9]*\\).*/\\1/p')"; exit 0`,
      /^prestart, runc creates: the container's process is gone$/,
    ],
  ];
  for (const [what, script, fault, more = []] of bad)
    it(`try-hooks --hook says what is wrong with a hook that ${what}`, t => {
      const { status, result } = tried(hookOf(t, script), ...more);
      assert.equal(status, 1);
      const found = faults(result);
      assert.ok(
        found.some(each => fault.test(each)),
        JSON.stringify(found, undefined, 1),
      );
    });

  it('when the first line of a hook names a program that is not there, try-hooks --hook says that it cannot be started', t => {
    const { status, result } = tried(hookOf(t, '', '#!/gk/none'));
    assert.equal(status, 1);
    assert.match(faults(result)[0] ?? '', /it cannot be started/);
  });

  it('try-hooks --hook calls the program of a hooks.d file at its stages, with its arguments and environment', t => {
    const folder = temporaryFolder(t);
    const path = hookOf(t, `${reads}; [ "$1 $WORD" = 'first word' ]`);
    const document = {
      version: '1.0.0',
      hook: { path, args: ['hook', 'first'], env: ['WORD=word'] },
      when: { always: true },
      stages: ['poststop'],
    };
    fs.writeFileSync(`${folder}/hook.json`, JSON.stringify(document));
    const { status, result } = tried(`${folder}/hook.json`);
    assert.deepEqual(faults(result), []);
    assert.equal(status, 0);
    assert.deepEqual([...new Set(result.calls.map(({ stage }) => stage))], ['poststop']);
  });

  it('try-hooks --hook waits for a hook as long as a very long timeout says', t => {
    const more = ['--stage', 'poststop', '--timeout', '3000000'];
    const { result } = tried(hookOf(t, '/bin/sleep 0.2'), ...more);
    assert.deepEqual(faults(result), []);
  });

  const untried: [string, object, RegExp][] = [
    [
      'is called only at stages that are not tried',
      { stages: ['createContainer'] },
      /called at createContainer/,
    ],
    ['has a NUL in an argument', { hook: { path: '/bin/true', args: ['a', 'b\0'] } }, /hook\.args\.1 is/],
  ];
  for (const [what, part, message] of untried)
    it(`try-hooks --hook refuses a hooks.d file that ${what}`, t => {
      const file = `${temporaryFolder(t)}/hook.json`;
      const fine = { version: '1.0.0', hook: { path: '/bin/true' }, when: { always: true } };
      fs.writeFileSync(file, JSON.stringify({ ...fine, stages: ['poststop'], ...part }));
      const { status, stdout, stderr } = ghostkeep(['try-hooks', '--hook', file]);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
      assert.match(stderr, message);
      assert.match(stderr, /\[BAD_INPUT\]\n$/);
    });

  it('try-hooks --hook shows each call in a line, and below a wrong one what the hook wrote', t => {
    const { status, stdout } = ghostkeep([
      ...['try-hooks', '--hook', hookOf(t, 'echo no such thing >&2; exit 3'), '--stage', 'poststop'],
    ]);
    assert.equal(status, 1);
    assert.match(
      stdout,
      /^WRONG {2}poststop {7}runc deletes: .*\n {9}it ended with status 3.*\n {9}\| no such thing$/m,
    );
    assert.match(stdout, /did something wrong in 4 of 4 calls\n$/);
  });
});
