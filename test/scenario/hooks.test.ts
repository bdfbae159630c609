import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Session } from '../../src/base/documents/generated/session.js';
import { ghostkeep, installedHook, launcher, sessionsFolder, temporaryFolder } from './ghostkeep.js';

/** A container of this test alone; its session record goes with it. */
function container(t: TestContext) {
  const id = `gk-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const path = `${sessionsFolder}/${id}.json`;
  t.after(() => fs.rmSync(path, { force: true }));
  const bundle = temporaryFolder(t);
  const annotations = { 'io.ghostkeep.enabled': 'true' };
  const state = { ociVersion: '1.2.0', id, status: 'created', pid: process.pid, bundle, annotations };
  return { id, path, bundle, state };
}

const toText = (input: unknown) =>
  typeof input === 'string' || Buffer.isBuffer(input) ? input : JSON.stringify(input);

type Hook = (t: TestContext, name: string, input: unknown) => ReturnType<typeof ghostkeep>;

/** Runs a hook as podman does: with an empty environment. */
const program: Hook = (_, name, input) => ghostkeep(['hook', name], { env: {}, input: toText(input) });

const installed: Hook = (t, name, input) => {
  const program = installedHook(t, name === 'createRuntime' ? 'prestart' : name);
  const { status, stdout, stderr } = spawnSync(launcher, [name, program], {
    argv0: 'hook',
    env: {},
    input: toText(input),
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

for (const [how, hook] of [
  ['as the program', program],
  ['as they are installed', installed],
] as const)
  describe(`hooks ${how}`, () => {
    it('when the environment is empty, prestart records the session and poststop closes it, each also when run twice', t => {
      const { path, bundle, state, id } = container(t);
      for (let time = 0; time < 2; time += 1) {
        assert.deepEqual(hook(t, 'prestart', state), { status: 0, stdout: '', stderr: '' });
        const session = JSON.parse(fs.readFileSync(path, 'utf8')) as Session;
        assert.deepEqual([session.container, session.pid, session.bundle], [id, process.pid, bundle]);
        assert.equal(fs.statSync(path).mode & 0o7777, 0o600);
      }
      const { pid: _, ...stopped } = { ...state, status: 'stopped' };
      for (let time = 0; time < 2; time += 1)
        assert.deepEqual(hook(t, 'poststop', stopped), { status: 0, stdout: '', stderr: '' });
      assert.ok(!fs.existsSync(path));
    });

    it('when the runtime calls the hook createRuntime, it does what prestart does', t => {
      const { path, bundle, state, id } = container(t);
      assert.deepEqual(hook(t, 'createRuntime', state), { status: 0, stdout: '', stderr: '' });
      const session = JSON.parse(fs.readFileSync(path, 'utf8')) as Session;
      assert.deepEqual([session.container, session.pid, session.bundle], [id, process.pid, bundle]);
    });

    it('when the policy is bad, prestart fails and names the key, the value and the allowed values', t => {
      const { path, state } = container(t);
      const { status, stderr } = hook(t, 'prestart', {
        ...state,
        annotations: { 'io.ghostkeep.engine': 'dd' },
      });
      assert.equal(status, 1);
      assert.match(
        stderr,
        /io\.ghostkeep\.engine is "dd", it must be one of "auto", "fiemap", "seek", "read" \[BAD_POLICY\]\n$/,
      );
      assert.ok(!fs.existsSync(path));
    });

    const large = Buffer.from(`{"id":"${'x'.repeat(2 << 20)}"}`);
    const bad: [string, string | Buffer, RegExp][] = [
      ['is empty', '', /not JSON/],
      ['is not JSON', 'state', /not JSON/],
      ['is cut', '{"ociVersion":"1.0', /not JSON/],
      ['has no bytes of text', Buffer.from([0xff, 0xfe, 0x00]), /not JSON/],
      ['is larger than 1 MiB', large, /larger than 1 MiB/],
      ['is an array', '[]', /must be an object/],
      ['is null', 'null', /must be an object/],
      [
        'names a path as id',
        '{"ociVersion":"1","id":"../x","status":"created","bundle":"/b","annotations":{"io.ghostkeep.":""}}',
        /id is "\.\.\/x", it must match/,
      ],
      ['lacks fields', '{"annotations":{"io.ghostkeep.limit":"1G"}}', /ociVersion.*id.*status.*bundle/],
    ];
    for (const name of ['prestart', 'poststop'])
      for (const [what, input, reason] of bad)
        it(`when the state on stdin ${what}, ${name} fails with one line that says so`, t => {
          const { status, stdout, stderr } = hook(t, name, input);
          assert.equal(status, 1);
          assert.equal(stdout, '');
          const lines = stderr.trim().split('\n');
          assert.equal(lines.length, 1, stderr);
          assert.match(lines[0] ?? '', reason);
          assert.match(lines[0] ?? '', /\[BAD_STATE\]$/);
        });

    it('when the container has no annotation of ghostkeep, the hooks record nothing', t => {
      const { path, state } = container(t);
      const { annotations: _, ...plain } = state;
      for (const other of [plain, { ...plain, annotations: { authors: 'a <a@b> io.ghostkeep.' } }])
        for (const name of ['prestart', 'poststop'])
          assert.deepEqual(hook(t, name, other), { status: 0, stdout: '', stderr: '' });
      assert.ok(!fs.existsSync(path));
    });

    it('when a container without our annotations has a session record, poststop closes it', t => {
      const { path, state } = container(t);
      hook(t, 'prestart', state);
      assert.ok(fs.existsSync(path));
      const { annotations: _, pid: __, ...stopped } = { ...state, status: 'stopped' };
      assert.deepEqual(hook(t, 'poststop', stopped), { status: 0, stdout: '', stderr: '' });
      assert.ok(!fs.existsSync(path));
    });
  });

describe('the installed hook', () => {
  it('when the container has no annotation of ghostkeep, the launcher starts no other program', t => {
    const { state } = container(t);
    const { annotations: _, ...plain } = state;
    for (const name of ['prestart', 'createRuntime', 'poststop'])
      assert.equal(spawnSync(launcher, [name, '/none'], { env: {}, input: JSON.stringify(plain) }).status, 0);
    assert.equal(
      spawnSync(launcher, ['prestart', '/none'], { env: {}, input: JSON.stringify(state) }).status,
      1,
    );
  });
});

describe('ghostkeep hook', () => {
  it('when ghostkeep hook gets an unknown name, it ends with the status for wrong usage', () => {
    for (const args of [
      ['hook'],
      ['hook', 'poststart'],
      ['hook', 'prestart', 'x'],
      ['hook', 'prestart', '--x'],
    ])
      assert.equal(ghostkeep(args, { input: '{}' }).status, 2, args.join(' '));
  });
});
