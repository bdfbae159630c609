/** The gate sends ghosts to `moveTo` of the host's config.json, and says so before the freeze. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { readManifest } from '../../src/image/manifest.js';
import { endOfCriu, gateWith } from './gate.js';
import {
  command,
  filesIn,
  flows,
  ghostFile,
  ghostkeep,
  isRoot,
  needs,
  temporaryFolder,
} from './ghostkeep.js';
import { bytesOf, me } from './rounds.js';

const content = randomBytes(9 << 20);

function setUp(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const [images, there] = [`${folder}/images`, `${folder}/there`];
  fs.mkdirSync(images);
  const moveTo = `via:${[...command, 'receive', '-D', there].join(' ')}`;
  return { folder, images, there, moveTo, fd: ghostFile(t, folder, 'ghost', content) };
}

describe('a checkpoint with moveTo in config.json', () => {
  it('a checkpoint with moveTo has its ghosts on the receiver when CRIU goes on, and everything there at the end', async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, images, there, moveTo, fd } = setUp(t);
    const gate = gateWith(t, folder, images, { moveTo });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    assert.deepEqual(await gate.ask(`warm ${me}`), ['done']);
    fs.writeSync(fd, 'changed', 4_000_000);
    const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
    assert.ok(keys.length > 0);
    const [arrived = ''] = fs
      .readdirSync(`${there}/ghostkeep`)
      .filter(
        name => name.endsWith('.data') && fs.statSync(`${there}/ghostkeep/${name}`).size === content.length,
      );
    assert.ok(fs.readFileSync(`${there}/ghostkeep/${arrived}`).equals(bytesOf(fd)));
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(ghostkeep(['verify', there]).stderr, '');
    assert.equal(ghostkeep(['verify', there]).status, 0);
    const { ghosts, moved } = readManifest(flows().host.files, images);
    assert.ok(ghosts.every(ghost => ghost.moved) && moved?.complete);
    assert.deepEqual(filesIn(images), [
      'files.img',
      'ghostkeep-manifest.json',
      'ghostkeep.log',
      'inventory.img',
      'remap-fpath.img',
    ]);
    assert.match(
      fs.readFileSync(`${images}/ghostkeep.log`, 'utf8'),
      /will not be able to restore the checkpoint/,
    );
  });

  it('a checkpoint with moveTo is sealed without a ghost that CRIU did not need, and the receiver learns that', async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, images, there, moveTo, fd } = setUp(t);
    const { ino } = fs.fstatSync(ghostFile(t, folder, 'closed meanwhile', Buffer.alloc(1 << 20, 7)));
    const gate = gateWith(t, folder, images, { moveTo });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
    const needed = keys.filter(key => !key.endsWith(`:${ino.toString(16)}]`));
    assert.equal(needed.length, keys.length - 1);
    endOfCriu(images, ...needed.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.equal(ghostkeep(['verify', there]).status, 0);
    const { ghosts, moved } = readManifest(flows().host.files, images);
    assert.deepEqual([moved?.complete, moved?.gone?.length], [true, 1]);
    const names = readManifest(flows().host.files, there).ghosts.map(ghost => ghost.ino);
    assert.deepEqual(
      names,
      ghosts.map(ghost => ghost.ino),
    );
    assert.ok(names.includes(fs.fstatSync(fd).ino) && !names.includes(ino));
  });

  it('a checkpoint with moveTo fails before CRIU goes on if nobody receives, and leaves nothing', async t => {
    const { folder, images } = setUp(t);
    const gate = gateWith(t, folder, images, { moveTo: 'via:/bin/false', moveDeadline: 1 });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    assert.deepEqual(await gate.ask(`warm ${me}`), ['done']);
    assert.match((await gate.ask(`checkpoint ${me}`)).join('\n'), /^refuse cannot reach .* \[MOVE_LOST\]$/);
    assert.deepEqual(await gate.ask('finish 1'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(filesIn(images), ['ghostkeep.log']);
  });

  it("a checkpoint with moveTo sends CRIU's files over another connection when that of the ghosts is lost", async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, images, there } = setUp(t);
    const receive = [...command, 'receive', '-D', there].join(' ');
    const script = `${folder}/receive`;
    fs.writeFileSync(script, `#!/bin/sh\necho $$ >${folder}/pid\nexec ${receive}\n`, { mode: 0o755 });
    const gate = gateWith(t, folder, images, { moveTo: `via:${script}` });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
    const first = Number(fs.readFileSync(`${folder}/pid`, 'latin1'));
    process.kill(first, 'SIGKILL');
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.notEqual(Number(fs.readFileSync(`${folder}/pid`, 'latin1')), first);
    assert.equal(ghostkeep(['verify', there]).status, 0);
  });

  it("when a checkpoint with moveTo could not send CRIU's files, the receiver keeps the ghosts, and the files can be sent later", async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, images, there, fd } = setUp(t);
    const once = `${folder}/receive`;
    const receive = [...command, 'receive', '-D', there].join(' ');
    const script = `#!/bin/sh\necho $$ >${folder}/pid\nrm ${once}\nexec ${receive}\n`;
    fs.writeFileSync(once, script, { mode: 0o755 });
    const gate = gateWith(t, folder, images, { moveTo: `via:${once}` });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
    process.kill(Number(fs.readFileSync(`${folder}/pid`, 'latin1')), 'SIGKILL');
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.match(fs.readFileSync(`${images}/ghostkeep.log`, 'utf8'), /CRIU's files are not sent: /);
    assert.match(ghostkeep(['verify', there]).stdout, /\[INCOMPLETE\]/);
    assert.match(ghostkeep(['show', images]).stdout, /still to be sent \(`ghostkeep send-images`\)/);
    for (let times = 0; times < 2; times += 1) {
      const sent = ghostkeep(['send-images', '-D', images, '--via', receive]);
      assert.equal(sent.status, 0, sent.stderr);
    }
    fs.mkdirSync(`${folder}/other`);
    fs.writeFileSync(`${folder}/other/ghostkeep-manifest.json`, '{}');
    const other = [...command, 'receive', '-D', `${folder}/other`].join(' ');
    const elsewhere = ghostkeep(['send-images', '-D', images, '--via', other]);
    assert.equal(elsewhere.status, 1, "another directory's checkpoint was taken for this one");
    assert.match(elsewhere.stderr, /it is a sealed checkpoint/);
    assert.equal(ghostkeep(['verify', there]).status, 0);
    const [ghost] = readManifest(flows().host.files, there).ghosts.filter(
      ({ ino }) => ino === fs.fstatSync(fd).ino,
    );
    const run = ghostkeep(['restore', '-D', there, '--to', `${folder}/to`, '--ghost', String(ghost?.id)]);
    assert.equal(run.status, 0, run.stderr);
    assert.ok(fs.readFileSync(`${folder}/to/${filesIn(`${folder}/to`)[0]}`).equals(bytesOf(fd)));
  });
});
