import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Session } from '../../src/base/documents/generated/session.js';
import { ghostkeep, isRoot, temporaryFolder } from './ghostkeep.js';

const uid = process.getuid?.() ?? 0;
const folder = isRoot
  ? '/run/ghostkeep/sessions'
  : fs.existsSync(`/run/user/${uid}`)
    ? `/run/user/${uid}/ghostkeep/sessions`
    : `/tmp/ghostkeep-${uid}/sessions`;

/** A container of this test alone; its session record goes with it. */
function container(t: TestContext) {
  const id = `gk-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const path = `${folder}/${id}.json`;
  t.after(() => fs.rmSync(path, { force: true }));
  const bundle = temporaryFolder(t);
  const annotations = { 'io.ghostkeep.enabled': 'true' };
  const state = { ociVersion: '1.2.0', id, status: 'created', pid: process.pid, bundle, annotations };
  return { id, path, bundle, state };
}

/** As podman runs it: no PATH, no HOME, nothing. */
const hook = (name: string, input: unknown) =>
  ghostkeep(['hook', name], {
    env: {},
    input: typeof input === 'string' || Buffer.isBuffer(input) ? input : JSON.stringify(input),
  });

describe('hooks', () => {
  it('when the environment is empty, prestart records the session and poststop closes it, each twice', t => {
    const { path, bundle, state, id } = container(t);
    for (let time = 0; time < 2; time += 1) {
      assert.deepEqual(hook('prestart', state), { status: 0, stdout: '', stderr: '' });
      const session = JSON.parse(fs.readFileSync(path, 'utf8')) as Session;
      assert.deepEqual([session.container, session.pid, session.bundle], [id, process.pid, bundle]);
      assert.equal(fs.statSync(path).mode & 0o7777, 0o600);
    }
    const { pid: _, ...stopped } = { ...state, status: 'stopped' };
    for (let time = 0; time < 2; time += 1)
      assert.deepEqual(hook('poststop', stopped), { status: 0, stdout: '', stderr: '' });
    assert.ok(!fs.existsSync(path));
  });

  it('when the policy is bad, prestart fails with the key, the value and what is allowed', t => {
    const { path, state } = container(t);
    const { status, stderr } = hook('prestart', { ...state, annotations: { 'io.ghostkeep.engine': 'dd' } });
    assert.equal(status, 1);
    assert.match(stderr, /engine .*"auto","fiemap","seek","read".*"dd".*\[BAD_POLICY\]/);
    assert.ok(!fs.existsSync(path));
  });

  const large = Buffer.from(`{"id":"${'x'.repeat(2 << 20)}"}`);
  const bad: [string, string | Buffer, RegExp][] = [
    ['is empty', '', /not JSON/],
    ['is not JSON', 'state', /not JSON/],
    ['is cut', '{"ociVersion":"1.0', /not JSON/],
    ['has no bytes of text', Buffer.from([0xff, 0xfe, 0x00]), /not JSON/],
    ['is larger than 1 MiB', large, /larger than 1 MiB/],
    ['is an array', '[]', /must be object/],
    ['is null', 'null', /must be object/],
    [
      'names a path as id',
      '{"ociVersion":"1","id":"../x","status":"created","bundle":"/b"}',
      /id must match/,
    ],
    ['lacks fields', '{}', /ociVersion.*id.*status.*bundle/],
  ];
  for (const name of ['prestart', 'poststop'])
    for (const [what, input, reason] of bad)
      it(`when the state on stdin ${what}, ${name} says so in one line and fails`, () => {
        const { status, stdout, stderr } = hook(name, input);
        assert.equal(status, 1);
        assert.equal(stdout, '');
        const lines = stderr.trim().split('\n');
        assert.equal(lines.length, 1, stderr);
        assert.match(lines[0] ?? '', reason);
        assert.match(lines[0] ?? '', /\[BAD_STATE\]$/);
      });

  it('when the hook is unknown, it is wrong usage', () => {
    for (const args of [
      ['hook'],
      ['hook', 'poststart'],
      ['hook', 'prestart', 'x'],
      ['hook', 'prestart', '--x'],
    ])
      assert.equal(ghostkeep(args, { input: '{}' }).status, 2, args.join(' '));
  });
});
