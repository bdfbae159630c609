/** The helper alone, with this test as the gate: native/gate/PROTOCOL.md. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { rehearse } from '../../src/flows/gate/rehearse.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, flows, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

function setting(t: TestContext) {
  const folder = temporaryFolder(t);
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  ghostFile(t, folder, 'ghost', 'x'.repeat(20_000));
  return { folder, images };
}

/** ghostkeep.log stays, as CRIU's own log does. */
const filesBesideLog = (images: string) => filesIn(images).filter(name => name !== 'ghostkeep.log');

describe('the gate protocol', () => {
  it('when CRIU succeeds, the dump is sealed and verifies', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    assert.match((await gate.answer())[0] ?? '', /^ready 4 [0-9a-f]{16}$/);
    const [key = '', ...rest] = await gate.ask(`checkpoint ${process.pid}`);
    assert.match(key, /^external file\[[0-9a-f]+:[0-9a-f]+\]$/);
    assert.deepEqual(rest, ['done']);
    assert.deepEqual(await gate.ask(`checkpoint ${process.pid}`), ['done'], 'it is covered already');
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(filesBesideLog(images), [
      'files.img',
      'ghost-file-1.img',
      'ghostkeep-manifest.json',
      'inventory.img',
      'remap-fpath.img',
    ]);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });

  it('when CRIU was given a plugin option, the dump obeys it; a bad option is refused by its name', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    assert.deepEqual(await gate.ask('option verify=digest'), ['done']);
    assert.match(
      (await gate.ask('option engine=a b'))[0] ?? '',
      /^refuse cannot accept CRIU's plugin options: ghostkeep\.engine is "a b", it must be one of .* \[BAD_POLICY\]$/,
    );
    const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    const manifest = fs.readFileSync(`${images}/ghostkeep-manifest.json`, 'utf8');
    assert.match(manifest, /"digest"/);
  });

  it('when the gate has closed its end of the socket, everything that was logged is in the log file, a failed seal too', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`checkpoint ${process.pid}`);
    await gate.ask('finish 0');
    await gate.leave();
    const lines = fs.readFileSync(`${images}/ghostkeep.log`, 'utf8').trim().split('\n');
    assert.deepEqual(
      lines.map(line => JSON.parse(line)).map(({ level, code }) => [level, code]),
      [
        ['info', undefined],
        ['error', 'SEAL_FAILED'],
      ],
    );
  });

  it('when CRIU fails, no file of the dump is left', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`checkpoint ${process.pid}`);
    assert.deepEqual(await gate.ask('finish 1'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(filesBesideLog(images), []);
  });

  it('when the gate closes the socket without `finish`, no file of the dump is left', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`checkpoint ${process.pid}`);
    assert.ok(fs.existsSync(`${images}/ghostkeep/journal.json`));
    assert.equal(await gate.end(), 0);
    assert.deepEqual(filesBesideLog(images), []);
  });

  it('when sealing fails, the helper refuses with the way out and keeps the journal, and `seal` finishes the dump', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
    const [refusal = ''] = await gate.ask('finish 0');
    assert.match(
      refusal,
      /^refuse cannot seal .*CRIU has not finished.*ghostkeep seal -D .*\[SEAL_FAILED\]$/,
    );
    assert.equal(await gate.end(), 0);
    assert.ok(fs.existsSync(`${images}/ghostkeep/journal.json`));
    endOfCriu(images, key.slice('external '.length));
    const seal = ghostkeep(['seal', '-D', images]);
    assert.equal(seal.status, 0, seal.stderr);
    assert.match(seal.stdout, /1 ghost, sealed now/);
    assert.match(ghostkeep(['seal', '-D', images]).stdout, /1 ghost, sealed before/);
  });

  it('when a request is unknown or belongs to the other stage, the helper refuses it and answers the next one', async t => {
    const { images } = setting(t);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    for (const request of ['restore', 'hello', '', 'checkpointx 1', '__proto__ 1', 'constructor 1'])
      assert.match((await gate.ask(request))[0] ?? '', /^refuse cannot answer .*\[PROTOCOL\]$/, request);
    assert.equal((await gate.ask(`checkpoint ${process.pid}`)).at(-1), 'done');
    assert.equal(await gate.end(), 0);
  });

  it('when the process does not exist, the helper refuses, and leaves no file at its end', async t => {
    for (const pid of ['4194305', 'x', '', '-1', '1e99']) {
      const { images } = setting(t);
      const gate = new Gate(t, 'dump', images);
      await gate.answer();
      assert.match((await gate.ask(`checkpoint ${pid}`))[0] ?? '', /^refuse .*\[HOLDER_GONE\]$/, pid);
      assert.deepEqual(await gate.ask('finish -1'), ['done']);
      assert.equal(await gate.end(), 0);
      assert.deepEqual(filesBesideLog(images), []);
    }
  });

  it('when a reason has newlines or is too long for a line, the refusal is still one line', async t => {
    const { images } = setting(t);
    const deep = `${'d'.repeat(200)}/`.repeat(4);
    fs.mkdirSync(`${images}/${deep}`, { recursive: true });
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const [refusal = ''] = await gate.ask(`${'ü'.repeat(3000)} 1`);
    assert.match(refusal, /^refuse /);
    assert.ok(!refusal.includes('\ufffd'));
    assert.equal(await gate.end(), 0);
  });

  it('when an image is damaged, restore is refused; when it is whole or by CRIU alone, restore goes on', async t => {
    const { folder, images } = setting(t);
    fs.mkdirSync(`${folder}/other`);
    const other = new Gate(t, 'restore', `${folder}/other`);
    await other.answer();
    assert.deepEqual(await other.ask('restore'), ['done']);
    assert.equal(await other.end(), 0);

    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const whole = new Gate(t, 'restore', images);
    await whole.answer();
    assert.deepEqual(await whole.ask('restore'), ['done']);
    assert.match((await whole.ask('checkpoint 1'))[0] ?? '', /^refuse .*\[PROTOCOL\]$/);
    assert.equal(await whole.end(), 0);

    fs.truncateSync(`${images}/ghost-file-1.img`, 1000);
    const damaged = new Gate(t, 'restore', images);
    await damaged.answer();
    assert.match(
      (await damaged.ask('restore'))[0] ?? '',
      /^refuse cannot restore .*ghost-file-1\.img.*\[IMAGE_TRUNCATED\]$/,
    );
    assert.equal(await damaged.end(), 0);
  });
});

describe('the rehearsal', () => {
  it('when the rehearsal is over, every step of a dump was run once, and no file is left or lost', async t => {
    const { images } = setting(t);
    const context = flows();
    const said: string[] = [];
    const log = { ...context.log, debug: (text: string) => void said.push(text) };
    await rehearse({ ...context, log }, images);
    assert.deepEqual([said, fs.readdirSync(images)], [[], []]);

    fs.mkdirSync(`${images}/ghostkeep`);
    fs.writeFileSync(`${images}/ghostkeep/journal.json`, 'of an earlier dump');
    await rehearse({ ...context, log }, images);
    assert.deepEqual([said, filesIn(images)], [[], ['ghostkeep/journal.json']]);
  });

  it('when the rehearsal fails, the real dump still succeeds', async t => {
    const { images } = setting(t);
    const said: string[] = [];
    const context = flows();
    const log = { ...context.log, debug: (text: string) => void said.push(text) };
    fs.writeFileSync(`${images}/ghostkeep`, 'in the way');
    await rehearse({ ...context, log }, images);
    assert.match(said.join(), /ghostkeep is no folder/);
  });
});
