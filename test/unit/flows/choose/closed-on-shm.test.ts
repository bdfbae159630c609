import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { check } from '../../../../src/flows/check/check.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { ghostkeepError } from '../../expect.js';
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

const accepted = { closedShm: 'warn' };

async function warnedOf(...given: Parameters<typeof pod>): Promise<string[]> {
  const { context, warnings } = pod(...given);
  await new GateDump(context, images).checkpoint(100);
  return warnings();
}

async function refusedFor(
  given: Parameters<typeof pod>,
  ...words: string[]
): Promise<ReturnType<typeof pod>> {
  const played = pod(...given);
  await assert.rejects(
    new GateDump(played.context, images).checkpoint(100),
    ghostkeepError('SHM_NOT_HELD', ...words, 'the container runs on', 'closedShm'),
  );
  assert.deepEqual(Object.keys(played.files.snapshot()), [configPath]);
  assert.deepEqual(played.processes.pinned, []);
  return played;
}

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${at}`, file(at + 10)]));

describe('what lies on a pod’s /dev/shm and no process of the container holds', () => {
  const closed = {
    'sem.a': file(2),
    b: file(3),
    c: file(3),
    d: file(4),
    fifo: file(5, { mode: 0o010600 }),
  };
  const named =
    '4 files with 3 MiB and 1 folder, FIFO or link on /dev/shm (/dev/shm/sem.a, /dev/shm/b, /dev/shm/c, …)';

  it('where nobody on the host holds it, a dump is refused before anything is opened, with number, bytes and the first names', async () => {
    await refusedFor(
      [closed],
      `cannot dump ${named}: no process of this host holds them, so they would be gone`,
    );
  });

  it('where the policy accepts the loss, a warning has number, bytes and names, nobody looks for holders, and what is held is copied', async () => {
    const { context, processes, warnings } = pod(closed, { config: accepted });
    await new GateDump(context, images).checkpoint(100);
    assert.deepEqual(warnings(), [
      `warn not in the checkpoint: ${named}, which no process of the container holds and which will be gone where /dev/shm comes back empty; copy what is needed, or let a process hold it open`,
    ]);
    assert.deepEqual(processes.sought, []);
    assert.deepEqual(processes.pinned, ['100 fd/3']);
  });

  it('where processes outside the container hold all of it, a dump warns, and where they hold a part, the rest is refused', async () => {
    const folder = file(6, { mode: 0o040755 });
    const theirs = { 'sem.a': closed['sem.a'], folder, 'folder/d': closed.d };
    const outside = (played: ReturnType<typeof pod>) => {
      played.processes.add(200, { fds: { 7: opened(closed['sem.a'], '/dev/shm/sem.a') } });
      const map = { address: '1000-2000', opened: opened(closed.d, '/dev/shm/folder/d') };
      return played.processes.add(90, { maps: [map] });
    };
    const all = pod(theirs);
    outside(all);
    await new GateDump(all.context, images).checkpoint(100);
    const [text = '', ...others] = all.warnings();
    assert.deepEqual(others, []);
    assert.match(
      text,
      /2 files with 2 MiB and 1 folder, .* which only processes outside the container hold and/,
    );
    // The container's own processes are not asked about, and those with near pids come first.
    assert.deepEqual(
      all.processes.sought.map(({ pids }) => pids),
      [[90, 50, 200]],
    );

    const part = pod({ ...theirs, b: closed.b });
    outside(part);
    await assert.rejects(
      new GateDump(part.context, images).checkpoint(100),
      ghostkeepError(
        'SHM_NOT_HELD',
        'cannot dump 1 file with 1 MiB on /dev/shm (/dev/shm/b): no process of this host holds it, so it would',
      ),
    );
  });

  it('where holders are not found in time, or cannot be looked for, a dump is refused and says so', async () => {
    const late = pod({ 'sem.a': file(2) });
    late.processes.isTimeUp = true;
    await assert.rejects(
      new GateDump(late.context, images).checkpoint(100),
      ghostkeepError('SHM_NOT_HELD', '/dev/shm/sem.a', 'was not found out within 1 s'),
    );
    const failing = pod({ 'sem.a': file(2) });
    failing.processes.findHolders = () => {
      throw Object.assign(new Error('no memory for a process'), { code: 'ENOMEM' });
    };
    await assert.rejects(
      new GateDump(failing.context, images).checkpoint(100),
      ghostkeepError('SHM_NOT_HELD', '/dev/shm/sem.a', 'cannot be found out: no memory for a process'),
    );
  });

  it('a dump says nothing, and looks for nobody, where all files on /dev/shm are held, where podman keeps the rest, or where the policy is off', async () => {
    for (const [files, options] of [
      [{}, {}],
      [closed, { place: podmans }],
      [closed, { config: { enabled: false } }],
    ] as const) {
      const { context, processes, warnings } = pod(files, options);
      await new GateDump(context, images).checkpoint(100);
      assert.deepEqual([warnings(), processes.sought], [[], []]);
    }
    assert.equal((await warnedOf(closed, { config: { allowMissing: true } })).length, 1);
  });

  it('when /dev/shm cannot be listed, or has too many files, a dump is refused, or warns where the policy accepts it', async () => {
    for (const config of [{}, accepted]) {
      const { context, processes, warnings } = pod({}, { config });
      processes.filesIn = () => ({ files: [], complete: false });
      const dump = new GateDump(context, images).checkpoint(100);
      if (config === accepted) {
        await dump;
        assert.match(warnings().join(), /^warn the \/dev\/shm from outside .* cannot be listed/);
      } else await assert.rejects(dump, ghostkeepError('SHM_NOT_HELD', '/dev/shm', 'it cannot be listed'));
    }
    await refusedFor([many(5000)], 'cannot dump at least ', '…)', 'there is more than was looked at');
    assert.match(
      (await warnedOf(many(5000), { config: accepted })).join(),
      /^warn not in the checkpoint: at least \d+ files with .*, …\)/,
    );
  });

  it('a container may hold more files than are looked at besides', async () => {
    const { context, processes, warnings } = pod(many(1500));
    const { inRoot = {} } = { inRoot: many(1500) };
    const fds = Object.entries(inRoot).map(([name, one], at) => [
      at + 10,
      opened(one, `/dev/shm/${name}`, { mount: 40 }),
    ]);
    fds.push([3, opened(file(1, { size: 5n }), '/dev/shm/held', { mount: 40 })]);
    processes.add(100, { parent: 50, mounts: [fakeMount(30), shm(40)], fds: Object.fromEntries(fds) });
    await new GateDump(context, images).checkpoint(100);
    assert.deepEqual(warnings(), []);
  });

  for (const [config, outcome] of [
    [{}, 'refuses the dump'],
    [accepted, 'is named'],
  ] as const)
    it(`where the image is streamed, a file on /dev/shm that nobody holds ${outcome}, too`, async () => {
      const { context, files, processes, warnings } = pod({ 'sem.a': file(2) }, { config });
      processes.add(100, { parent: 50, mounts: [fakeMount(30), shm(40)], fds: {} });
      files.put(`${images}/streamer-capture.sock`, '');
      const dump = new GateDump(context, images).checkpoint(100);
      const what = /2 files with .*\/dev\/shm\/held, \/dev\/shm\/sem\.a/;
      if (config === accepted) {
        await dump;
        assert.match(warnings().join('\n'), what);
      } else await assert.rejects(dump, { code: 'SHM_NOT_HELD', message: what });
    });

  it('check lists as a refusal or as a doubt what a dump would say of such files', async () => {
    const all = await Promise.all(
      [{}, accepted].map(config =>
        check(pod({ 'sem.a': file(2) }, { config }).context, { pids: [100] }, images),
      ),
    );
    const what = /1 file with 1 MiB on \/dev\/shm \(\/dev\/shm\/sem\.a\)/;
    assert.deepEqual(
      all.map(({ ok, refusals }) => [ok, refusals.map(({ code }) => code)]),
      [
        [false, ['SHM_NOT_HELD']],
        [true, []],
      ],
    );
    assert.match(all[0]?.refusals[0]?.message ?? '', what);
    assert.match(all[1]?.doubts.join('\n') ?? '', what);
  });
});
