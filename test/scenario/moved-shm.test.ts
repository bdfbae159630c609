/**
 * Named files of a /dev/shm from outside the container go with its ghosts to another host: see
 * src/ghost/find/named.ts. The container is a process with a mount namespace of its own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { readManifest } from '../../src/image/manifest.js';
import { endOfCriu, gateWith } from './gate.js';
import { command, filesIn, flows, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const big = randomBytes(9 << 20);
const why = 'mount namespaces need root, and so do the tables of receivers in /run';

/** A process that holds a ghost, and two files of SHM by their names. One of the files has two names. */
async function holder(t: TestContext, shm: string): Promise<string> {
  fs.writeFileSync(`${shm}/big`, big);
  fs.writeFileSync(`${shm}/one`, 'one file');
  fs.linkSync(`${shm}/one`, `${shm}/two`);
  fs.writeFileSync(`${shm}/ghost`, 'a ghost');
  const script = 'cd "$1" && exec 5<>big 6<>two 7<>ghost && rm ghost && cd / && echo ready && exec sleep 600';
  const child = spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', script, 'sh', shm], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return String(child.pid);
}

function setUp(t: TestContext) {
  const shm = temporaryFolder(t, '/dev/shm');
  const folder = temporaryFolder(t);
  const [images, there] = [`${folder}/images`, `${folder}/there`];
  fs.mkdirSync(images);
  return { shm, folder, images, there };
}

async function listening(t: TestContext, there: string, socket: string): Promise<void> {
  const [program, ...words] = command;
  const child = spawn(program, [...words, 'receive', '-D', there, '--listen', socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
}

/** The content of the ghosts and files that have arrived, by their paths without the folder. */
function arrived(images: string, to: string): Record<string, Buffer> {
  const verified = ghostkeep(['verify', images]);
  assert.equal(verified.status, 0, verified.stdout);
  return Object.fromEntries(
    readManifest(flows().host.files, images).ghosts.map(ghost => {
      const out = `${to}/${ghost.id}`;
      const run = ghostkeep(['restore', '-D', images, '--to', out, '--ghost', String(ghost.id)]);
      assert.equal(run.status, 0, run.stderr);
      const name = ghost.path.replace(/.*\//, '');
      return [`${ghost.class} ${name}`, fs.readFileSync(`${out}/${filesIn(out)[0]}`)];
    }),
  );
}

describe('a moved checkpoint of a container with a /dev/shm from outside', () => {
  it('a moved checkpoint has the files that its processes have open by name on a /dev/shm from outside', async t => {
    if (!needs(t, isRoot, why)) return;
    const { shm, folder, images, there } = setUp(t);
    const pid = await holder(t, shm);
    await listening(t, there, `${folder}/socket`);
    const gate = gateWith(t, folder, images, { moveTo: `${folder}/socket` });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    assert.deepEqual(await gate.ask(`warm ${pid}`), ['done']);
    fs.writeFileSync(`${shm}/big`, 'changed after the round', { flag: 'r+' });
    const keys = (await gate.ask(`checkpoint ${pid}`)).slice(0, -1);
    assert.equal(keys.length, 1, 'CRIU dumps the named files as it does without us');
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    const { ghosts } = readManifest(flows().host.files, images);
    assert.ok(ghosts.every(({ moved, image }) => moved && !fs.existsSync(`${images}/${image}`)));
    const content = arrived(there, `${folder}/out`);
    assert.deepEqual(Object.keys(content).sort(), ['named big', 'named two', 'unlinked ghost']);
    assert.ok(content['named big']?.equals(fs.readFileSync(`${shm}/big`)));
    assert.equal(String(content['named two']), 'one file');
    assert.equal(String(content['unlinked ghost']), 'a ghost');
    const [two] = readManifest(flows().host.files, there).ghosts.filter(({ path }) => path.endsWith('/two'));
    assert.deepEqual(
      two?.linked?.names.map(({ path }) => path.replace(/.*\//, '')).sort(),
      ['one', 'two'],
      'its names come back',
    );
  });

  it('a move is refused if another process writes to a named file on /dev/shm meanwhile; `allowMissing` leaves that file out', async t => {
    if (!needs(t, isRoot, why)) return;
    for (const allowMissing of [false, true]) {
      const { shm, folder, images, there } = setUp(t);
      const pid = await holder(t, shm);
      const write = `const fs = require('node:fs'); const fd = fs.openSync('${shm}/big', 'r+');
        for (;;) fs.writeSync(fd, String(Math.random()), 1000);`;
      const writer = spawn(process.execPath, ['-e', write], { stdio: 'inherit' });
      t.after(() => writer.kill('SIGKILL'));
      const before = fs.statSync(`${shm}/big`).mtimeMs;
      while (fs.statSync(`${shm}/big`).mtimeMs === before)
        await new Promise(resolve => setTimeout(resolve, 10));
      const moveTo = `via:${[...command, 'receive', '-D', there].join(' ')}`;
      const gate = gateWith(t, folder, images, { moveTo, allowMissing });
      assert.match((await gate.answer())[0] ?? '', /^ready/);
      const lines = await gate.ask(`checkpoint ${pid}`);
      const last = lines.at(-1) ?? '';
      if (!allowMissing) {
        assert.match(last, /^refuse cannot dump .*big .*\[SHM_NOT_KEPT\]$/);
        assert.deepEqual(await gate.ask('finish 1'), ['done']);
        assert.deepEqual(filesIn(images), ['ghostkeep.log']);
        continue;
      }
      assert.equal(last, 'done');
      endOfCriu(images, ...lines.slice(0, -1).map(key => key.slice('external '.length)));
      assert.deepEqual(await gate.ask('finish 0'), ['done']);
      assert.equal(await gate.end(), 0);
      const content = arrived(there, `${folder}/out`);
      assert.deepEqual(Object.keys(content).sort(), ['named two', 'unlinked ghost']);
    }
  });
});
