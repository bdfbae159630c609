/** logrotate(8) rotates the hooks' log while hooks write into it. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { command, needs, temporaryFolder } from './ghostkeep.js';

const shipped = fileURLToPath(new URL('../../packaging/logrotate', import.meta.url));
const appendTo = fileURLToPath(new URL('../../src/host/files/append-to.ts', import.meta.url));
const logrotate = ['/usr/sbin/logrotate', '/usr/bin/logrotate'].find(file => fs.existsSync(file));

/** Debian's own settings stand before those of packages, and `create` is one of them. */
function configIn(folder: string): { log: string; run: (...options: string[]) => string } {
  const log = `${folder}/ghostkeep.log`;
  const ours = fs.readFileSync(shipped, 'utf8').replace('/var/log/ghostkeep.log', log);
  assert.ok(ours.includes(`\n${log} {`));
  fs.writeFileSync(`${folder}/conf`, `weekly\nrotate 4\ncreate\n${ours}`);
  return {
    log,
    run: (...options) => {
      const args = [...options, '-s', `${folder}/state`, `${folder}/conf`];
      const { status, stdout, stderr } = spawnSync(logrotate ?? '', args, { encoding: 'utf8' });
      assert.deepEqual({ status, errors: /^error:.*/m.exec(stderr)?.[0] }, { status: 0, errors: undefined });
      return stdout + stderr;
    },
  };
}

/** All lines of the log and of what it was rotated to, in no order. */
function linesOf(log: string): string[] {
  const folder = log.slice(0, log.lastIndexOf('/'));
  return fs
    .readdirSync(folder)
    .filter(name => name.startsWith('ghostkeep.log'))
    .map(name => `${folder}/${name}`)
    .map(file => (file.endsWith('.gz') ? execFileSync('zcat', [file]) : fs.readFileSync(file)))
    .flatMap(bytes => bytes.toString().split('\n').slice(0, -1));
}

function folderFor(t: TestContext): string | undefined {
  if (!needs(t, logrotate !== undefined, 'logrotate is not installed')) return undefined;
  const folder = temporaryFolder(t);
  fs.chmodSync(folder, 0o755);
  return folder;
}

/** A program that appends the lines `NAME 0`, `NAME 1`, …, until it is told to stop, and prints how many. */
const appending = `
  import { appendTo } from ${JSON.stringify(appendTo)};
  const [name, log, most] = process.argv.slice(1);
  let [n, stop] = [0, false];
  process.on('SIGTERM', () => { stop = true; });
  console.log('begun');
  while (!stop) {
    appendTo(log, Buffer.from(name + ' ' + n + '\\n'), most === undefined ? undefined : Number(most));
    n += 1;
    await new Promise(resolve => setTimeout(resolve, n % 4));
  }
  console.log(n);
`;

async function writersOf(t: TestContext, log: string, ...rest: string[]) {
  const writers = await Promise.all(
    ['a', 'b', 'c'].map(async name => {
      const args = ['--import', 'tsx', '--input-type=module', '-e', appending, name, log, ...rest];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      t.after(() => child.kill('SIGKILL'));
      let said = '';
      child.stdout.setEncoding('utf8').on('data', text => {
        said += text;
      });
      await once(child.stdout, 'data');
      return { name, child, said: () => said };
    }),
  );
  return async () => {
    const expected: string[] = [];
    for (const { name, child, said } of writers) {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
      const count = Number(said().replace('begun', ''));
      assert.ok(count > 0, `${name} wrote nothing`);
      for (let n = 0; n < count; n += 1) expected.push(`${name} ${n}`);
    }
    return expected.toSorted();
  };
}

describe("rotation of the hooks' log", () => {
  it('logrotate accepts the file that the packages bring, and would rotate a large log', t => {
    const folder = folderFor(t);
    if (folder === undefined) return;
    const { log, run } = configIn(folder);
    fs.writeFileSync(log, 'x'.repeat(6 << 20), { mode: 0o600 });
    // A log that logrotate sees for the first time is only noted, unless it is too large.
    assert.match(run('-d'), /log needs rotating/);
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ['conf', 'ghostkeep.log']);
  });

  it('when the log is rotated five times while three processes append to it, no line is lost', async t => {
    const folder = folderFor(t);
    if (folder === undefined) return;
    const { log, run } = configIn(folder);
    const end = await writersOf(t, log);
    for (let time = 0; time < 5; time += 1) {
      await sleep(100);
      run('-f');
    }
    const written = await end();
    assert.deepEqual(linesOf(log).toSorted(), written);
    const names = fs.readdirSync(folder).filter(name => name.startsWith('ghostkeep.log.'));
    assert.deepEqual(
      names.toSorted(),
      [1, 2, 3, 4, 5].map(n => `ghostkeep.log.${n}${n === 1 ? '' : '.gz'}`),
    );
  });

  it('when hooks run during a rotation, each leaves its line, in files that only their owner may read', async t => {
    const folder = folderFor(t);
    if (folder === undefined) return;
    const { log, run } = configIn(folder);
    const [file = '', ...args] = [...command, 'hook', 'poststop'];
    const hook = async () => {
      const env = { ...process.env, GHOSTKEEP_HOOK_LOG: log };
      const child = spawn(file, args, { env, stdio: ['pipe', 'ignore', 'ignore'] });
      child.stdin.end('no state');
      const [status] = await once(child, 'exit');
      assert.equal(status, 1);
    };
    for (let time = 0; time < 3; time += 1) {
      const hooks = Promise.all([hook(), hook(), hook()]);
      await sleep(150);
      run('-f');
      await hooks;
    }
    run('-f');
    const lines = linesOf(log).map(line => JSON.parse(line) as { message: string });
    assert.equal(lines.length, 9);
    for (const { message } of lines) assert.match(message, /^hook poststop failed: /);
    for (const name of fs.readdirSync(folder).filter(each => each.startsWith('ghostkeep.log'))) {
      const stat: fs.Stats = fs.statSync(`${folder}/${name}`);
      assert.deepEqual([name, stat.mode & 0o777, stat.uid], [name, 0o600, process.getuid?.()]);
    }
  });

  it('without logrotate, a log that is full becomes FILE.old, and no newer line is lost', async t => {
    const log = `${temporaryFolder(t)}/ghostkeep.log`;
    const most = 8000;
    const end = await writersOf(t, log, String(most));
    const start = Date.now();
    while (!fs.existsSync(`${log}.old`)) {
      assert.ok(Date.now() - start < 60_000, 'the log was not set aside within a minute');
      await sleep(5);
    }
    await sleep(300);
    const written = await end();
    assert.ok(fs.statSync(log).size <= most + 100 && fs.statSync(`${log}.old`).size <= most + 100);
    const left = new Set(linesOf(log));
    for (const name of ['a', 'b', 'c']) {
      const [count, kept] = [written, [...left]].map(all => all.filter(one => one.startsWith(name)).length);
      for (let n = (count ?? 0) - (kept ?? 0); n < (count ?? 0); n += 1)
        assert.ok(left.has(`${name} ${n}`), `the line ${name} ${n} is lost`);
    }
  });
});
