/** `ghostkeep restore` of images that anybody could have written. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest, ManifestGhost } from '../../src/base/documents/generated/manifest.js';
import { flows, ghostFile, ghostkeep, isRoot, needs, publicProgram, temporaryFolder } from './ghostkeep.js';

/** A dump of one file. CHANGE changes its manifest, as anybody could who has the image. */
function hostileImage(t: TestContext, change: (ghost: ManifestGhost) => void) {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'x', 'content');
  const images = `${folder}/images`;
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);
  assert.equal(dump.status, 0, dump.stderr);
  const path = `${images}/ghostkeep-manifest.json`;
  const manifest = JSON.parse(fs.readFileSync(path, 'utf8')) as Manifest;
  change(manifest.ghosts[0] as ManifestGhost);
  fs.writeFileSync(path, JSON.stringify(manifest));
  return {
    folder,
    images,
    to: `${folder}/back`,
    restore: (...options: string[]) =>
      ghostkeep(['restore', '-D', images, '--to', `${folder}/back`, ...options]),
  };
}

/** cap_setuid=ep */
const capability = Buffer.from('0100000280000000000000000000000000000000', 'hex').toString('base64');

function xattrsAt(t: TestContext, path: string): string[] {
  const fd = fs.openSync(path, 'r');
  t.after(() => fs.closeSync(fd));
  return Object.keys(flows().host.engine.xattrs(fd));
}

describe('names of extended attributes in a hostile manifest', () => {
  const names = [
    ['by its low bytes', '\u0173ecurity.capability\u0100\udc80'],
    ['before a NUL', 'security.capability\u0000\udc80'],
    ['before a NUL, in UTF-8', 'security.capability\u0000x'],
  ] as const;
  for (const [how, name] of names)
    it(`when an attribute of a hostile manifest is security.capability ${how}, restore sets it on no file`, t => {
      if (!needs(t, isRoot, 'capabilities are set by root')) return;
      const { to, restore } = hostileImage(t, ghost => {
        ghost.linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 0, hostGid: 0 };
        ghost.xattrs = { [name]: capability };
      });
      const { status, stderr } = restore();
      if (fs.existsSync(`${to}/ghost-1`)) assert.deepEqual(xattrsAt(t, `${to}/ghost-1`), []);
      assert.equal(status, 1);
      assert.match(stderr, /stands for no name of an extended attribute.*\[MANIFEST_INVALID\]/);
    });
});

/** A set-id bit would let anybody run the file as root; the head of the image has the bit, too. */
function withRights(t: TestContext) {
  const folder = temporaryFolder(t);
  const fd = ghostFile(t, folder, 'x', 'content');
  fs.fchmodSync(fd, 0o6755);
  const { engine } = flows().host;
  for (const [name, value] of [
    ['security.capability', Buffer.from(capability, 'base64')],
    ['trusted.note', Buffer.from('x')],
    ['user.note', Buffer.from('x')],
  ] as const)
    engine.setXattr(fd, Buffer.from(name), value);
  const images = `${folder}/images`;
  assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
  return { folder, images };
}

const modeOf = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8);

describe('set-id bits and capabilities in an image that anybody may have written', {
  skip: isRoot ? false : 'root gives rights',
}, () => {
  it('when the user does not vouch for the image, restore withholds and names set-id bits and capabilities; --allow-privileged sets them', t => {
    const { folder, images } = withRights(t);
    const back = ghostkeep(['restore', '-D', images, '--to', `${folder}/back`]);
    assert.equal(back.status, 0, back.stderr);
    assert.equal(modeOf(`${folder}/back/ghost-1`), '755');
    assert.deepEqual(xattrsAt(t, `${folder}/back/ghost-1`), ['user.note']);
    const [said] = /^withheld: .*$/m.exec(back.stdout) ?? [''];
    for (const what of ['security.capability', 'trusted.note', 'set-id bits', '--allow-privileged'])
      assert.ok(said.includes(what), `${said} names ${what}`);

    const trusted = ghostkeep(['restore', '-D', images, '--to', `${folder}/trusted`, '--allow-privileged']);
    assert.equal(trusted.status, 0, trusted.stderr);
    assert.ok(!trusted.stdout.includes('withheld'));
    assert.equal(modeOf(`${folder}/trusted/ghost-1`), '6755');
    assert.deepEqual(xattrsAt(t, `${folder}/trusted/ghost-1`).sort(), [
      'security.capability',
      'trusted.note',
      'user.note',
    ]);
  });

  it('when restore cannot set the owner, it does not set the set-id bits either: they would be rights of the restoring user', t => {
    const { folder, images } = withRights(t);
    fs.chmodSync(folder, 0o755);
    for (const name of fs.readdirSync(images, { recursive: true }) as string[])
      fs.chmodSync(`${images}/${name}`, 0o755);
    fs.chmodSync(images, 0o755);
    fs.mkdirSync(`${folder}/nobody`);
    fs.chownSync(`${folder}/nobody`, 65534, 65534);
    const to = `${folder}/nobody/back`;
    const restore = ghostkeep(['restore', '-D', images, '--to', to, '--allow-privileged'], {
      at: publicProgram(t),
      uid: 65534,
    });
    assert.equal(restore.status, 0, restore.stderr);
    assert.match(restore.stdout, /owner \(EPERM\).*set-id bits \(without its owner\)/);
    assert.equal(modeOf(`${to}/ghost-1`), '755');
  });
});

describe('the folder that restore writes to', {
  skip: isRoot ? false : 'root has what others want',
}, () => {
  /** DIR2 as other users may have left it, below a folder where all may write, like /tmp. */
  function target(t: TestContext, make: (to: string, victim: string) => void) {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'x', 'content');
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const [shared, victim] = [`${folder}/shared`, `${folder}/victim`];
    for (const name of [shared, victim]) fs.mkdirSync(name);
    fs.chmodSync(shared, 0o1777);
    make(`${shared}/back`, victim);
    const run = ghostkeep(['restore', '-D', images, '--to', `${shared}/back`]);
    return { ...run, victim: fs.readdirSync(victim), to: `${shared}/back` };
  }
  const nobody = (path: string) => fs.lchownSync(path, 65534, 65534);

  const refused: [string, (to: string, victim: string) => void][] = [
    ['all may write to the target folder', to => fs.mkdirSync(to) ?? fs.chmodSync(to, 0o777)],
    ['its group may write to the target folder', to => fs.mkdirSync(to) ?? fs.chmodSync(to, 0o770)],
    [
      'all may write to the target folder, and remove only their own files',
      to => fs.mkdirSync(to) ?? fs.chmodSync(to, 0o1777),
    ],
    ['the target folder is another user’s', to => fs.mkdirSync(to) ?? nobody(to)],
    [
      'another user has made the target folder a link',
      (to, victim) => fs.symlinkSync(victim, to) ?? nobody(to),
    ],
    [
      'a folder of another user leads to the target folder by a link',
      (to, victim) => {
        fs.mkdirSync(`${to}.d`);
        fs.symlinkSync(victim, `${to}.d/link`);
        nobody(`${to}.d`);
        fs.symlinkSync('back.d/link', to);
      },
    ],
  ];
  for (const [what, make] of refused)
    it(`when ${what}, restore writes no file`, t => {
      const { status, stderr, victim, to } = target(t, make);
      assert.equal(status, 1);
      assert.match(stderr, /^ghostkeep: cannot restore to .*\[(PERMISSION|IO)\]\n$/);
      assert.deepEqual(victim, []);
      assert.ok(!fs.existsSync(`${to}/ghost-1`));
    });

  const taken: [string, (to: string, victim: string) => void][] = [
    ['the target folder is ours, below a folder where all may write', to => fs.mkdirSync(to)],
    ['the target folder does not exist yet', () => {}],
    [
      'a link of our own leads to the target folder',
      (to, victim) => fs.symlinkSync(`../${path.basename(victim)}`, to),
    ],
  ];
  for (const [what, make] of taken)
    it(`when ${what}, restore writes its files there`, t => {
      const { status, stderr, to } = target(t, make);
      assert.equal(status, 0, stderr);
      assert.equal(fs.readFileSync(`${to}/ghost-1`, 'utf8'), 'content');
    });
});
