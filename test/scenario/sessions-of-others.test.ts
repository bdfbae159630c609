/** A user without /run/user/UID keeps session records in /tmp, where anyone can make that folder first. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { ghostkeep, needs, publicProgram, temporaryFolder } from './ghostkeep.js';

const owner = 64_000 + (process.pid % 1000);
const attacker = owner + 1000;
const base = `/tmp/ghostkeep-${owner}`;
const state = { ociVersion: '1.2.0', id: 'web', status: 'stopped', bundle: '/' };
const annotations = { 'io.ghostkeep.enabled': 'true' };

/**
 * A dump of OWNER's that waits for its seal. If poststop obeys a record that names it, poststop changes
 * something in it.
 */
function victim(t: TestContext): string {
  const images = temporaryFolder(t);
  fs.mkdirSync(`${images}/ghostkeep`);
  fs.writeFileSync(`${images}/ghostkeep/journal.json`, 'damaged, which poststop says if it looks');
  for (const name of ['', '/ghostkeep', '/ghostkeep/journal.json'])
    fs.chownSync(`${images}${name}`, owner, owner);
  return images;
}

function putRecord(folder: string, images: string, uid: number): void {
  const record = { version: 1, container: 'web', bundle: '/', created: '', policy: {}, images };
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${folder}/web.json`, JSON.stringify(record));
  fs.chownSync(`${folder}/web.json`, uid, uid);
  fs.chownSync(folder, uid, uid);
}

function poststop(t: TestContext) {
  const input = JSON.stringify({ ...state, annotations });
  return ghostkeep(['hook', 'poststop'], { env: {}, input, uid: owner, at: publicProgram(t) });
}

describe('the folder of session records in /tmp', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, () => {
  const ready = (t: TestContext) => {
    t.after(() => fs.rmSync(base, { recursive: true, force: true }));
    return needs(t, !fs.existsSync(`/run/user/${owner}`) && !fs.existsSync(base), `${base} is in use`);
  };

  it('when the folder of session records in /tmp is our own, poststop obeys the record in it', t => {
    if (!ready(t)) return;
    putRecord(`${base}/sessions`, victim(t), owner);
    fs.chownSync(base, owner, owner);
    const { status, stderr } = poststop(t);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /journal\.json.*\[MANIFEST_INVALID\]/);
  });

  for (const [what, make] of [
    ['was made by another user', () => fs.chownSync(base, attacker, attacker)],
    [
      'lies in a folder that others may write to',
      () => {
        fs.chownSync(base, owner, owner);
        fs.chmodSync(base, 0o777);
      },
    ],
    [
      'is reached by a link of another user',
      () => {
        fs.renameSync(base, `${base}.real`);
        fs.chownSync(`${base}.real`, owner, owner);
        fs.symlinkSync(`${base}.real`, base);
        fs.lchownSync(base, attacker, attacker);
      },
    ],
  ] as const)
    it(`when the folder of session records in /tmp ${what}, poststop obeys no record there and removes none`, t => {
      if (!ready(t)) return;
      t.after(() => fs.rmSync(`${base}.real`, { recursive: true, force: true }));
      putRecord(`${base}/sessions`, victim(t), owner);
      make();
      const { status, stderr } = poststop(t);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /warning.*cannot use session records in .*belongs to somebody else/);
      assert.ok(fs.existsSync(`${base}/sessions/web.json`));
    });

  it('when another user has made the folder of session records in /tmp, the launcher does not start ghostkeep', t => {
    if (!ready(t)) return;
    const program = publicProgram(t).replace(/dist\/.*/, 'build/ghostkeep-hook');
    const call = () =>
      spawnSync(program, ['poststop', '/none'], {
        uid: owner,
        gid: owner,
        env: {},
        input: JSON.stringify(state),
      });
    putRecord(`${base}/sessions`, victim(t), owner);
    fs.chownSync(base, owner, owner);
    assert.equal(call().status, 1, 'our own: handed over to /none, which cannot be started');
    fs.chownSync(base, attacker, attacker);
    assert.equal(call().status, 0);
  });
});
