/**
 * A FUSE server renames a removed open file (.fuse_hidden…) and removes that name with the last descriptor.
 * The link count is 0 until somebody has looked at the folder, then 1.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { showId } from '../../src/base/text/ghost-id.js';
import { fuseMount } from './fuse.js';
import { ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(300_001);
const remembering = 'attr_timeout=600,entry_timeout=600';

/** A file of this process by the name `held`. */
function hold(mountPoint: string): number {
  const fd = fs.openSync(`${mountPoint}/held`, 'wx+');
  fs.writeSync(fd, content);
  return fd;
}

/**
 * Looks at a folder as `ls -l` and any backup do.
 * @returns the names there
 */
function look(folder: string): string[] {
  const names = fs.readdirSync(folder);
  for (const name of names) fs.statSync(`${folder}/${name}`);
  return names;
}

/**
 * Dumps the files of this process that are on FUSE, closes them, and restores them.
 * @returns their classes
 */
function keepAndLose(t: TestContext, fds: readonly number[], then = () => {}): Manifest['ghosts'] {
  const images = `${temporaryFolder(t)}/images`;
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--json']);
  assert.equal(dump.status, 0, dump.stderr);
  for (const fd of fds) fs.closeSync(fd);
  then();
  assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  const restore = ghostkeep(['restore', '-D', images, '--to', `${images}/back`]);
  assert.equal(restore.status, 0, restore.stderr);
  const ghosts = (JSON.parse(dump.stdout) as Manifest).ghosts.filter(
    ghost => ghost.filesystem === 'fuse.memory',
  );
  for (const { id } of ghosts)
    assert.ok(fs.readFileSync(`${images}/back/ghost-${showId(id)}`).equals(content), 'other bytes came back');
  return ghosts;
}

const summary = (ghosts: Manifest['ghosts']) =>
  ghosts.map(({ class: is, path, nlink }) => `${is} ${path.slice(path.lastIndexOf('/') + 1)} ${nlink}`);

describe('a removed file on FUSE', () => {
  const mounted = async (t: TestContext) =>
    needs(t, isRoot, 'mounting needs root') && (await fuseMount(t, `subtype=memory,${remembering}`));

  it('when nobody has listed the folder of a removed file on FUSE since, the ghost is unlinked', async t => {
    const m = await mounted(t);
    if (!m) return;
    const fd = hold(m);
    fs.rmSync(`${m}/held`);
    assert.deepEqual(summary(keepAndLose(t, [fd])), ['unlinked held 0']);
  });

  it('when somebody has listed the folder of a removed file on FUSE, the ghost is silly-renamed, and the dump keeps its content under the opened name', async t => {
    const m = await mounted(t);
    if (!m) return;
    const fd = hold(m);
    fs.rmSync(`${m}/held`);
    assert.match(look(m).join(), /^\.fuse_hidden/);
    assert.deepEqual(summary(keepAndLose(t, [fd])), ['silly-renamed held 1']);
    assert.deepEqual(look(m), []);
  });

  it('when only a backup program has a removed file open, by the name that FUSE gave it, the ghost is silly-renamed', async t => {
    const m = await mounted(t);
    if (!m) return;
    const fd = hold(m);
    fs.rmSync(`${m}/held`);
    const [hidden = ''] = look(m);
    const backup = fs.openSync(`${m}/${hidden}`, 'r');
    fs.closeSync(fd);
    assert.deepEqual(summary(keepAndLose(t, [backup])), [`silly-renamed ${hidden} 1`]);
  });

  it('when a rename has replaced an open file on FUSE, as editors do, the ghost is silly-renamed', async t => {
    const m = await mounted(t);
    if (!m) return;
    const fd = hold(m);
    fs.writeFileSync(`${m}/new`, 'new');
    fs.renameSync(`${m}/new`, `${m}/held`);
    assert.match(look(m).join(), /\.fuse_hidden/);
    assert.deepEqual(summary(keepAndLose(t, [fd])), ['silly-renamed held 1']);
    assert.equal(fs.readFileSync(`${m}/held`, 'utf8'), 'new');
  });

  it('when a removed file on FUSE has another name, the dump keeps its content, because that name may be gone at restore', async t => {
    const m = await mounted(t);
    if (!m) return;
    const fd = hold(m);
    fs.linkSync(`${m}/held`, `${m}/other`);
    fs.rmSync(`${m}/held`);
    look(m);
    const ghosts = keepAndLose(t, [fd], () => fs.rmSync(`${m}/other`));
    assert.deepEqual(summary(ghosts), ['linked held 2']);
    assert.deepEqual(ghosts[0]?.linked?.names, [{ path: 'other' }]);
  });

  it('when others have removed a file on its FUSE server, and only its holder can still read it, the dump fails', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const m = await fuseMount(t, 'subtype=memory,attr_timeout=0,entry_timeout=0', { OTHERS_REMOVE: '1' });
    const fd = hold(m);
    assert.throws(() => fs.statSync(`/proc/self/fd/${fd}`), { code: 'ENOENT' });
    assert.equal(fs.readSync(fd, Buffer.alloc(content.length), 0, content.length, 0), content.length);
    const args = ['dump', '--pid', String(process.pid), '-D', `${temporaryFolder(t)}/images`];
    const dump = ghostkeep(args);
    assert.equal(dump.status, 1, dump.stdout);
    assert.match(dump.stderr, new RegExp(`fd ${fd} of process.*ENOENT.*\\[GHOST_UNREADABLE\\]`));
    const allowed = ghostkeep([...args, '--allow-missing']);
    assert.equal(allowed.status, 0, allowed.stderr);
    assert.match(allowed.stderr, new RegExp(`not in the dump: .*fd ${fd} of process`));
    fs.closeSync(fd);
  });
});
