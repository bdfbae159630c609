/**
 * The host removes a folder or file that a container got by a bind mount, or replaces it as editors do. CRIU
 * dumps small ghosts there and cannot restore them, so a checkpoint has to fail; a dump without CRIU keeps
 * their content.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { Gate } from './gate.js';
import { ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(30_001);

/**
 * Works in a separate mount namespace: source/f has the content. SCRIPT opens it through a bind mount and
 * then removes the source.
 */
async function holder(t: TestContext, script: string): Promise<{ pid: number; folder: string }> {
  const folder = temporaryFolder(t);
  fs.mkdirSync(`${folder}/source`);
  fs.mkdirSync(`${folder}/to`);
  fs.writeFileSync(`${folder}/source/f`, content);
  fs.writeFileSync(`${folder}/to-file`, '');
  const text = `${script}\necho ready\nexec sleep 600`;
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-ec', text], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(() => assert.fail('the holder ended before it was ready'));
  ended.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), ended]);
  return { pid: child.pid as number, folder };
}

/** @returns the gate's answer to CRIU */
async function checkpoint(t: TestContext, { pid, folder }: { pid: number; folder: string }): Promise<string> {
  fs.mkdirSync(`${folder}/checkpoint`);
  const gate = new Gate(t, 'dump', `${folder}/checkpoint`);
  await gate.answer();
  const answer = await gate.ask(`checkpoint ${pid}`);
  await gate.ask('finish -1');
  await gate.leave();
  return answer.join('\n');
}

function dumpedContent({ pid, folder }: { pid: number; folder: string }): Buffer {
  const dump = ghostkeep(['dump', '--pid', String(pid), '-D', `${folder}/images`, '--json']);
  assert.equal(dump.status, 0, dump.stderr);
  assert.deepEqual(
    (JSON.parse(dump.stdout) as Manifest).ghosts.map(ghost => ghost.class),
    ['unlinked'],
  );
  assert.equal(ghostkeep(['restore', '-D', `${folder}/images`, '--to', `${folder}/back`]).status, 0);
  return fs.readFileSync(`${folder}/back/ghost-1`);
}

const folderMount = 'mount --bind source to; exec 9<>to/f; rm to/f';
const fileMount = 'mount --bind source/f to-file; exec 9<>to-file';

describe('a ghost on a mount whose source is gone', () => {
  for (const [what, script] of Object.entries({
    'a folder that was removed': `${folderMount}; rmdir source`,
    'a folder that was removed and made again': `${folderMount}; rmdir source; mkdir source`,
    'a file that was removed': `${fileMount}; rm source/f`,
    'a file that was replaced by a rename': `${fileMount}; echo new >source/n; mv source/n source/f`,
    'a folder by an odd name that was removed': `mv source 'a (deleted)'; mkdir source; mount --bind 'a (deleted)' to; exec 9<>to/f; rm to/f; rmdir 'a (deleted)'`,
  }))
    it(`when a ghost lies on a mount whose source is ${what}, the checkpoint is refused`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const held = await holder(t, script);
      assert.match(await checkpoint(t, held), /^refuse .*removed or replaced.*\[GHOST_UNRESTORABLE\]$/);
    });

  it('when a ghost lies on a mount whose source is gone, a dump without CRIU keeps its content', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    for (const script of [`${folderMount}; rmdir source`, `${fileMount}; rm source/f`])
      assert.ok(dumpedContent(await holder(t, script)).equals(content), 'other bytes came back');
  });

  it('when no ghost lies on a mount whose source is gone, the gate warns before the freeze, and the checkpoint is not refused', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const held = await holder(t, 'mount --bind source to; rm to/f; rmdir source');
    fs.mkdirSync(`${held.folder}/checkpoint`);
    const gate = new Gate(t, 'dump', `${held.folder}/checkpoint`);
    await gate.answer();
    await gate.ask(`warm ${held.pid}`);
    assert.equal((await gate.ask(`checkpoint ${held.pid}`)).at(-1), 'done');
    await gate.ask('finish -1');
    await gate.leave();
    const log = fs.readFileSync(`${held.folder}/checkpoint/ghostkeep.log`, 'utf8');
    assert.match(log, /the source of the mount at \S+\/to was removed or replaced: CRIU may not/);
  });

  for (const [what, script] of Object.entries({
    'is where it was': folderMount,
    'has another name by now': `${folderMount}; mv source elsewhere`,
    'is named as if it were gone': `mkdir 'a (deleted)'; mv source/f 'a (deleted)'; mount --bind 'a (deleted)' to; exec 9<>to/f; rm to/f`,
  }))
    it(`when the source of the mount ${what}, the checkpoint is not refused`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const held = await holder(t, script);
      assert.match(await checkpoint(t, held), /^external file\[[0-9a-f:]+\]\ndone$/);
    });
});
