import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { check } from '../../../../src/flows/check/check.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const images = '/img';
const dev = makeDev(0n, 47n);
const shm = (id: number, point = '/dev/shm') =>
  fakeMount(id, { dev, filesystem: 'tmpfs', mountPoint: Buffer.from(point), root: Buffer.from('/') });
const file = (ino: number, values: object = {}) =>
  fakeFile({ dev, nlink: 1, ino: BigInt(ino), allocated: 1n << 20n, ...values });
const podmans = `/var/lib/containers/storage/overlay-containers/${'0'.repeat(64)}/userdata/shm`;

/** A container that holds one file of a pod's /dev/shm, and what else lies there. */
function pod(
  closed: Record<string, ReturnType<typeof fakeFile>>,
  { place = '/run/pod/shm', config = {} } = {},
) {
  const context = fakeContext();
  const { files, processes } = context.host;
  files.folders.add(images);
  files.put(configPath, JSON.stringify(config));
  const held = file(1, { size: 5n });
  const below = Object.entries(closed).map(([name, one]) => [`${place}/${name}`, one]);
  const inRoot = {
    [place]: file(1000, { mode: 0o041777 }),
    [`${place}/held`]: held,
    ...Object.fromEntries(below),
  };
  processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: [shm(9, place)], inRoot });
  const commandLine = ['conmon', '-b', '/b', '--persist-dir', '/p', '--exit-command', 'podman'];
  processes.add(50, { namespace: 'mnt:[1]', parent: 1, commandLine });
  const fds = { 3: opened(held, '/dev/shm/held', { mount: 40 }) };
  processes.add(100, { parent: 50, mounts: [fakeMount(30), shm(40)], fds });
  const warnings = () => context.lines.filter(line => line.startsWith('warn'));
  return { context, files, processes, warnings };
}

async function warnedOf(...given: Parameters<typeof pod>): Promise<string[]> {
  const { context, warnings } = pod(...given);
  await new GateDump(context, images).checkpoint(100);
  return warnings();
}

describe('what lies on a pod’s /dev/shm and no process of the container holds', () => {
  it('a dump names files on a pod’s /dev/shm that nobody holds, with number and bytes, and copies what is held all the same', async () => {
    const closed = {
      'sem.a': file(2),
      b: file(3),
      c: file(3),
      d: file(4),
      fifo: file(5, { mode: 0o010600 }),
    };
    const [text = '', ...others] = await warnedOf(closed);
    assert.deepEqual(others, []);
    assert.equal(
      text,
      'warn not in the checkpoint: 4 files with 3 MiB and 1 folder, FIFO or link on /dev/shm (/dev/shm/sem.a, /dev/shm/b, /dev/shm/c, …), which no process of the container holds and which will be gone where /dev/shm comes back empty; copy what is needed, or let a process hold it open',
    );
  });

  it('a dump does not warn where all files on /dev/shm are held, where podman keeps the rest, or where the policy is off', async () => {
    assert.deepEqual(await warnedOf({}), []);
    const closed = { 'sem.a': file(2) };
    assert.equal((await warnedOf(closed)).length, 1);
    assert.equal((await warnedOf(closed, { config: { allowMissing: true } })).length, 1);
    assert.deepEqual(await warnedOf(closed, { place: podmans }), []);
    assert.deepEqual(await warnedOf(closed, { config: { enabled: false } }), []);
  });

  it('when /dev/shm cannot be listed, or has too many files, the warning about files that nobody holds says so', async () => {
    const { context, processes, warnings } = pod({});
    processes.filesIn = () => ({ files: [], complete: false });
    await new GateDump(context, images).checkpoint(100);
    assert.match(warnings().join(), /^warn the \/dev\/shm from outside .* cannot be listed/);
    const many = Array.from({ length: 5000 }, (_, at) => [`${at}`, file(at + 10)]);
    assert.match(
      (await warnedOf(Object.fromEntries(many))).join(),
      /^warn not in the checkpoint: at least \d+ files with .*, …\)/,
    );
  });

  it('a dump whose image is streamed names files on /dev/shm that nobody holds, too', async () => {
    const { context, files, processes, warnings } = pod({ 'sem.a': file(2) });
    processes.add(100, { parent: 50, mounts: [fakeMount(30), shm(40)], fds: {} });
    files.put(`${images}/streamer-capture.sock`, '');
    await new GateDump(context, images).checkpoint(100);
    assert.match(warnings().join('\n'), /2 files with .*\/dev\/shm\/held, \/dev\/shm\/sem\.a/);
  });

  it('check names files on /dev/shm that nobody holds as a doubt, and refuses nothing for them', async () => {
    const { context } = pod({ 'sem.a': file(2) });
    const { doubts, refusals } = await check(context, { pids: [100] }, images);
    assert.match(doubts.join('\n'), /1 file with 1 MiB on \/dev\/shm \(\/dev\/shm\/sem\.a\), which/);
    assert.deepEqual(refusals, []);
  });
});
