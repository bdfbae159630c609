/**
 * A holder has a write lease on its ghost. ghostkeep reads the ghost without an open(2), which would break
 * the lease, or not at all.
 */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { before, describe, it, type TestContext } from 'node:test';
import { checkpoint } from '../../src/flows/gate/checkpoint.js';
import { parseRuntimeCommand } from '../../src/oci/command-line.js';
import { endOfCriu, Gate } from './gate.js';
import { command, flows, ghostkeep, needs, program, temporaryFolder } from './ghostkeep.js';

const source = path.join(path.dirname(program), '../test/scenario/lease-holder.c');
const holderProgram = path.join(path.dirname(program), '../build/test-lease-holder');
const large = 5 << 20;

before(() => {
  const args = ['-Wall', '-Wextra', '-Werror', '-o', holderProgram, source];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

interface Holder {
  pid: number;
  child: ChildProcessByStdio<Writable, Readable, null>;
  /** The lines that the holder prints. */
  ask(): Promise<string>;
}

/** The holder is stopped until the test asks it. */
async function holder(
  t: TestContext,
  mode: string,
  bytes = large,
  folder = temporaryFolder(t),
): Promise<Holder> {
  const child = spawn(holderProgram, [`${folder}/ghost`, String(bytes), mode], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  t.after(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // The test has ended the holder.
    }
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const pid = Number(/^ready (\d+)$/.exec(await next())?.[1]);
  process.kill(pid, 'SIGSTOP');
  const ask = () => {
    process.kill(pid, 'SIGCONT');
    child.stdin.write('\n');
    return next();
  };
  return { pid, child, ask };
}

function contentOf(bytes: number): Buffer {
  const content = Buffer.alloc(2 * bytes + 3);
  for (let i = 0; i < bytes; i += 1) content[i] = (i % 251) + 1;
  content.write('end', 2 * bytes);
  return content;
}

function assertSame(images: string, bytes: number): void {
  const restore = ghostkeep(['restore', '-D', images, '--to', `${images}/back`]);
  assert.equal(restore.status, 0, restore.stderr);
  const [name = ''] = fs.readdirSync(`${images}/back`);
  assert.ok(fs.readFileSync(`${images}/back/${name}`).equals(contentOf(bytes)), 'other bytes came back');
}

const untouched = 'lease 1 offset 4711 told 0';
const dump = (images: string, { pid }: Holder, ...more: string[]) =>
  ghostkeep(['dump', '--pid', String(pid), '-D', images, ...more]);

describe('a ghost with a lease', () => {
  for (const [how, bytes] of Object.entries({ 'large, among extents': large, 'small, among many': 3000 }))
    it(`when the ghost is ${how}, all its bytes are dumped, and the lease and the file offset stay`, async t => {
      const images = `${temporaryFolder(t)}/images`;
      const held = await holder(t, 'write', bytes);
      const { status, stderr } = dump(images, held, '--engine', 'seek');
      assert.equal(status, 0, stderr);
      assert.equal(await held.ask(), untouched);
      assertSame(images, bytes);
    });

  it('when the gate copies the ghost, also before the freeze, the lease and the file offset stay', async t => {
    const images = temporaryFolder(t);
    const held = await holder(t, 'write');
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    assert.deepEqual(await gate.ask(`warm ${held.pid}`), ['done']);
    const [external = '', done] = await gate.ask(`checkpoint ${held.pid}`);
    assert.equal(done, 'done', external);
    endOfCriu(images, external.replace('external ', ''));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    await gate.leave();
    assert.equal(await held.ask(), untouched);
    assertSame(images, large);
  });

  for (const [mode, reason] of Object.entries({
    'write-only': /its descriptor is open for writing only/,
    direct: /its descriptor is open for direct I\/O \(O_DIRECT\) only/,
    map: /only a mapping leads to it/,
    sparse: /without one its 8 TiB of holes would have to be read/,
  }))
    it(`when no descriptor of the holder can be read (${mode}), the checkpoint is refused, and the lease stays`, async t => {
      const images = temporaryFolder(t);
      const held = await holder(t, mode);
      const gate = new Gate(t, 'dump', images);
      await gate.answer();
      const [refusal = ''] = await gate.ask(`checkpoint ${held.pid}`);
      assert.match(refusal, reason);
      assert.match(refusal, /^refuse cannot pin ghost .* \[GHOST_UNREADABLE\]$/);
      await gate.leave();
      const { status, stderr } = dump(`${images}/alone`, held);
      assert.equal(status, 1);
      assert.match(stderr, reason);
      assert.match(stderr, /\[GHOST_LEFT_OUT\]\n$/);
      assert.match(await held.ask(), mode === 'map' ? / told 0$/ : new RegExp(untouched));
    });

  it('when the lease is a read lease, the dump reads the ghost and the lease stays', async t => {
    const images = `${temporaryFolder(t)}/images`;
    const held = await holder(t, 'read');
    assert.equal(dump(images, held).status, 0);
    assert.equal(await held.ask(), 'lease 0 offset 4711 told 0');
    assertSame(images, large);
  });

  it('when another process is breaking the lease already, the dump does not wait', async t => {
    const images = `${temporaryFolder(t)}/images`;
    const held = await holder(t, 'breaking');
    const { status, stderr } = dump(images, held);
    assert.equal(status, 0, stderr);
    assert.equal(await held.ask(), 'lease 2 offset 4711 told 1');
    assertSame(images, large);
  });

  it('when the process that took the lease has ended and a child has it, the lease stays', async t => {
    const images = `${temporaryFolder(t)}/images`;
    const held = await holder(t, 'inherited');
    const { status, stderr } = dump(images, held);
    assert.equal(status, 0, stderr);
    assert.equal(await held.ask(), untouched);
    assertSame(images, large);
  });

  it('a dump knows a lease from its descriptor, and does not read the list of all leases, which is slow', async t => {
    const strace = '/usr/bin/strace';
    if (!needs(t, fs.existsSync(strace), 'strace is not installed')) return;
    const folder = temporaryFolder(t);
    const held = await holder(t, 'write');
    const run = ['-f', '-qq', '-e', 'trace=openat', '-o', `${folder}/trace`, ...command];
    const args = ['dump', '--pid', String(held.pid), '-D', `${folder}/images`];
    const { status, stderr } = spawnSync(strace, [...run, ...args], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const trace = fs.readFileSync(`${folder}/trace`, 'utf8');
    assert.match(trace, new RegExp(`/proc/${held.pid}/fdinfo/`));
    assert.doesNotMatch(trace, /\/proc\/locks/);
  });

  it('when the holder ends before `ghostkeep checkpoint` copies its pinned ghost, every byte is copied', async t => {
    const images = temporaryFolder(t);
    const held = await holder(t, 'write');
    const context = flows();
    const { commands } = context.host;
    const state = { ociVersion: '1.0.2', id: 'web', status: 'running', pid: held.pid, bundle: '/b' };
    const argv = ['runc', 'checkpoint', '--image-path', images, 'web'];
    commands.output = async () => ({ status: 0, stdout: JSON.stringify(state), stderr: '' });
    commands.run = async (_, environment) => {
      const config = fs.readFileSync(environment?.['CRIU_CONFIG_FILE'] as string, 'utf8');
      const keys = [...config.matchAll(/^external (\S+)$/gm)].map(([, key]) => key as string);
      const ended = once(held.child, 'exit');
      process.kill(held.pid, 'SIGKILL');
      await ended;
      endOfCriu(images, ...keys);
      return 0;
    };
    const manifest = await checkpoint(context, {
      command: parseRuntimeCommand(argv, '/'),
      argv,
      configPath: `${temporaryFolder(t)}/criu.conf`,
      userConfig: undefined,
      hold: async () => false,
    });
    assert.equal(manifest?.ghosts.length, 1);
    assertSame(images, large);
  });
});
