/**
 * Hooks of one container that run at the same time, for example because a runtime was killed and called
 * again, or because an administrator runs a hook by hand.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Session } from '../../src/base/documents/generated/session.js';
import { installedHook, launcher, sessionsFolder, temporaryFolder } from './ghostkeep.js';

function container(t: TestContext) {
  const id = `gk-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  t.after(() => fs.rmSync(`${sessionsFolder}/${id}.json`, { force: true }));
  const annotations = { 'io.ghostkeep.enabled': 'true' };
  const bundle = temporaryFolder(t);
  return { id, state: { ociVersion: '1.2.0', id, status: 'created', pid: process.pid, bundle, annotations } };
}

type Hooks = Record<'prestart' | 'poststop', string>;

const hooksOf = (t: TestContext): Hooks => ({
  prestart: installedHook(t, 'prestart'),
  poststop: installedHook(t, 'poststop'),
});

async function call(hooks: Hooks, name: keyof Hooks, state: object) {
  const child = spawn(launcher, [name, hooks[name]], { argv0: 'hook', env: {} });
  let said = '';
  child.stdout.on('data', data => (said += data));
  child.stderr.on('data', data => (said += data));
  child.stdin.end(JSON.stringify(state));
  const [status] = await once(child, 'close');
  return { name, status, said };
}

const left = (id: string) =>
  fs.existsSync(sessionsFolder) ? fs.readdirSync(sessionsFolder).filter(name => name.startsWith(id)) : [];

async function allWell(calls: ReturnType<typeof call>[]): Promise<void> {
  for (const { name, status, said } of await Promise.all(calls))
    assert.deepEqual([name, status, said], [name, 0, '']);
}

describe('hooks of one container at once', () => {
  it('when prestart and poststop run together, both succeed, and the session record is whole or gone', async t => {
    const hooks = hooksOf(t);
    const { id, state } = container(t);
    for (let time = 0; time < 2; time += 1) {
      const names = ['prestart', 'poststop', 'prestart', 'poststop'] as const;
      await allWell(names.map(name => call(hooks, name, state)));
      const files = left(id);
      assert.ok(files.length === 0 || (files.length === 1 && files[0] === `${id}.json`), String(files));
      for (const file of files)
        assert.equal(
          (JSON.parse(fs.readFileSync(`${sessionsFolder}/${file}`, 'utf8')) as Session).container,
          id,
        );
    }
  });

  it('when prestart runs several times together, there is one session record', async t => {
    const hooks = hooksOf(t);
    const { id, state } = container(t);
    await allWell([1, 2, 3, 4].map(() => call(hooks, 'prestart', state)));
    assert.deepEqual(left(id), [`${id}.json`]);
  });

  it('when poststop runs several times together, each succeeds and the session record is gone', async t => {
    const hooks = hooksOf(t);
    const { id, state } = container(t);
    await allWell([call(hooks, 'prestart', state)]);
    await allWell([1, 2, 3, 4].map(() => call(hooks, 'poststop', state)));
    assert.deepEqual(left(id), []);
  });
});
