import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listBaseRecords, writeBaseRecord } from '../../../../src/flows/bases/base-records.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { readSession, writeSession } from '../../../../src/flows/container/sessions.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { GateRestore } from '../../../../src/flows/gate/gate-restore.js';
import { confirmSeal } from '../../../../src/flows/hooks/confirm-seal.js';
import { poststop } from '../../../../src/flows/hooks/poststop.js';
import { prestart } from '../../../../src/flows/hooks/prestart.js';
import { baseName } from '../../../../src/image/layout.js';
import { readManifest } from '../../../../src/image/manifest.js';
import type { OciState } from '../../../../src/oci/state.js';
import { aManifest } from '../../a-manifest.js';
import { filesImage, regFile } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext, fakeFile, fakeHost, opened } from '../../fake-host.js';

const images = '/img';
const state = (values: Partial<OciState> = {}): OciState => ({
  ociVersion: '1.2.0',
  id: 'web',
  status: 'created',
  pid: 100,
  bundle: '/run/web',
  annotations: { 'io.ghostkeep.enabled': 'true' },
  ...values,
});
const stopped = () => {
  const { pid: _, ...rest } = state({ status: 'stopped' });
  return rest;
};

/** A container with one ghost, whose create hook has run. */
async function created(annotations: Record<string, string> = { 'io.ghostkeep.enabled': 'true' }) {
  const context = fakeContext(fakeHost());
  const exe = opened(fakeFile({ nlink: 1 }), '/bin/web');
  context.host.processes.add(100, { exe, fds: { 3: opened(fakeFile(), '/data/tmp (deleted)') } });
  await prestart(context, state({ annotations }));
  return context;
}

/** The container of created(), dumped by CRIU with the gate. The gate has sealed the dump or not. */
async function checkpointed(sealed: boolean) {
  const context = await created();
  const { files } = context.host;
  files.folders.add(images);
  const gate = new GateDump(context, images);
  const keys = await gate.checkpoint(100);
  files.put(`${images}/files.img`, filesImage(regFile({ id: 2, name: keys[0] ?? '', ext: true })));
  if (sealed) await gate.finish(0);
  return context;
}

/** A CRIU that restores: it has the image directory open. */
function restoring(context: Awaited<ReturnType<typeof created>>, pid: number) {
  const folder = opened(fakeFile({ mode: 0o40700, nlink: 2 }), images);
  const exe = opened(fakeFile({ nlink: 1 }), '/usr/sbin/criu');
  context.host.processes.add(pid, { exe, parent: 50, fds: { 7: folder } }).add(50, { fds: {} });
  const { files } = context.host;
  // The directory that /proc/PID/fd/7 leads to.
  for (const [path, file] of [...files.contents])
    if (path.startsWith(`${images}/`)) files.contents.set(path.replace(images, `/proc/${pid}/fd/7`), file);
}

describe('prestart at create', () => {
  it('when a container is created, its session is recorded with pid, start time and policy', async () => {
    const context = await created({ 'io.ghostkeep.engine': 'seek', 'other.annotation': 'x' });
    assert.deepEqual(readSession(context, 'web'), {
      version: 1,
      container: 'web',
      bundle: '/run/web',
      created: '1970-01-01T00:00:00.000Z',
      pid: 100,
      startTime: '10000',
      policy: { engine: 'seek' },
    });
  });

  it("when an annotation asks for more than the host's policy allows, the container is refused at create", async () => {
    const refused = async (config: object, annotations: Record<string, string>, message: string) => {
      const host = fakeHost();
      host.files.put(configPath, JSON.stringify(config));
      const context = fakeContext(host);
      host.processes.add(100, {});
      await assert.rejects(prestart(context, state({ annotations })), ghostkeepError('BAD_POLICY', message));
      assert.equal(readSession(context, 'web'), undefined);
    };
    await refused(
      { limit: '1G' },
      { 'io.ghostkeep.limit': '5G' },
      'io.ghostkeep.limit is "5G", it must be "1G" or less, the host\'s `limit`',
    );
    await refused(
      { allow: ['limit'] },
      { 'io.ghostkeep.enabled': 'false' },
      "io.ghostkeep.enabled is false, and the host's config.json allows only io.ghostkeep.limit (`allow`)",
    );
  });

  it("when the host's policy has become tighter by the time of the checkpoint, the host's policy applies", async () => {
    for (const [config, error] of [
      [{ limit: 0 }, { code: 'GHOST_OVER_LIMIT' }],
      [{ allow: [], enabled: true, limit: 0 }, { code: 'GHOST_OVER_LIMIT' }],
      [{ limit: '1G' }, undefined],
    ] as const) {
      const context = await created({ 'io.ghostkeep.limit': '1G' });
      context.host.files.folders.add(images);
      context.host.files.put(configPath, JSON.stringify(config));
      const dump = new GateDump(context, images).checkpoint(100);
      if (error) await assert.rejects(dump, error);
      else assert.equal((await dump).length, 1);
    }
  });

  it('when prestart runs twice, the session record stays the same', async () => {
    const context = await created();
    const before = context.host.files.snapshot();
    await prestart(context, state());
    assert.deepEqual(context.host.files.snapshot(), before);
  });

  it('when the policy is bad, the container is refused at create, before any checkpoint', async () => {
    for (const [name, value] of [
      ['io.ghostkeep.engine', 'dd'],
      ['io.ghostkeep.limit', '5m'],
      ['io.ghostkeep.typo', 'x'],
    ] as const)
      await assert.rejects(
        created({ [name]: value }),
        ghostkeepError('BAD_POLICY', name.split('.')[2] as string),
      );
    const context = fakeContext();
    context.host.files.put('/etc/ghostkeep/config.json', '{');
    await assert.rejects(
      prestart(context, state()),
      ghostkeepError('BAD_POLICY', '/etc/ghostkeep/config.json'),
    );
  });

  it('when the process is gone already, the session is recorded without a pid', async () => {
    const context = fakeContext();
    await prestart(context, state());
    assert.equal(readSession(context, 'web')?.pid, undefined);
  });
});

describe('a container without annotations of ours', () => {
  it("when a container without our annotations is created, nothing is recorded, whatever the host's config.json says", async () => {
    const context = fakeContext();
    context.host.files.put('/etc/ghostkeep/config.json', '{');
    const before = context.host.files.snapshot();
    for (const annotations of [undefined, {}, { 'io.ghostkeep': 'x', 'x.io.ghostkeep.engine': 'dd' }]) {
      const { annotations: _, ...rest } = state();
      await prestart(context, { ...rest, ...(annotations ? { annotations } : {}) });
    }
    assert.deepEqual(context.host.files.snapshot(), before);
  });

  it('when a container without our annotations is restored, prestart leaves the check of its image to the gate', async () => {
    const context = await checkpointed(true);
    context.host.files.put(`${images}/ghost-file-1.img`, 'damaged');
    restoring(context, 100);
    await prestart(context, state({ status: 'stopped', annotations: {} }));
  });

  it('when a container without our annotations stops in a checkpoint, poststop does nothing, unless there is a session record of it', async () => {
    const context = await checkpointed(false);
    const { files, processes } = context.host;
    processes.add(999, { parent: 60 }).add(60, {
      commandLine: ['runc', 'checkpoint', '--image-path', images, 'other'],
      cwd: opened(fakeFile(), '/'),
    });
    const before = files.snapshot();
    await poststop(context, { ...stopped(), id: 'other', annotations: {} });
    assert.deepEqual(files.snapshot(), before);
    await poststop(context, { ...stopped(), annotations: {} });
    assert.equal(readSession(context, 'web'), undefined);
  });
});

describe('prestart at restore', () => {
  it('when the image is whole, the restore is allowed', async () => {
    const context = await checkpointed(true);
    restoring(context, 100);
    await prestart(context, state({ status: 'stopped' }));
  });

  it('when an image is damaged, the restore is refused and the damage is named', async () => {
    const context = await checkpointed(true);
    context.host.files.put(`${images}/ghost-file-1.img`, 'damaged');
    restoring(context, 100);
    await assert.rejects(
      prestart(context, state({ status: 'stopped' })),
      ghostkeepError('IMAGE_TRUNCATED', 'cannot restore', 'ghost-file-1.img', 'ghostkeep verify -D'),
    );
  });

  it('when inventory.img is another than at the dump, the restore is refused unless config.json accepts that', async () => {
    const context = await checkpointed(true);
    const { files } = context.host;
    files.put(`${images}/inventory.img`, 'another');
    restoring(context, 200);
    const restore = () => prestart(context, state({ pid: 200, status: 'stopped' }));
    const gate = new GateRestore(context, images, () => undefined);
    const refusal = ghostkeepError('IMAGE_MISMATCH', 'cannot restore', 'ghostkeep materialize -D');
    await assert.rejects(restore(), refusal);
    await assert.rejects(gate.check(), refusal);
    files.put(configPath, '{"acceptChangedInventory": false}');
    await assert.rejects(gate.check(), refusal);
    files.put(configPath, '{"acceptChangedInventory": true}');
    await restore();
    await gate.check();
    assert.match(context.lines.at(-1) ?? '', /^warn inventory\.img in \/img .*: nothing is checked/);
    await gate.resumed(100);
  });

  it('when inventory.img is gone, the restore is refused, and an annotation of a pod cannot accept that', async () => {
    const context = await checkpointed(true);
    context.host.files.remove(`${images}/inventory.img`);
    const gate = new GateRestore(context, images, () => undefined);
    await assert.rejects(
      gate.check(),
      ghostkeepError('IMAGE_MISMATCH', 'remove /img/ghostkeep-manifest.json'),
    );
    await assert.rejects(
      created({ 'io.ghostkeep.acceptChangedInventory': 'true' }),
      ghostkeepError('BAD_POLICY', 'there is no key io.ghostkeep.acceptChangedInventory'),
    );
    context.host.files.remove(`${images}/ghostkeep-manifest.json`);
    await gate.check();
  });

  it('when the directory was copied, so that inventory.img has another time, the check is the same', async () => {
    const context = await checkpointed(true);
    const { files } = context.host;
    files.put(`${images}/inventory.img`, Buffer.from(files.get(`${images}/inventory.img`)));
    const gate = new GateRestore(context, images, () => undefined);
    await gate.check();
    assert.deepEqual(
      context.lines.filter(line => line.startsWith('warn')),
      [],
    );
  });

  /** A checkpoint whose linked ghost lay on a bind mount of the host, which came back empty. */
  async function withLinked() {
    const context = await checkpointed(true);
    const { files } = context.host;
    const mountPoint = { path: '/dev/shm' };
    const linked = { mountPoint, names: [{ path: 'sem.a' }], hostUid: 0, hostGid: 0 };
    const manifest = readManifest(files, images);
    const [ghost] = manifest.ghosts;
    const sealed = { ...manifest, ghosts: [{ ...ghost, class: 'linked', paths: [], linked }] };
    files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(sealed));
    files.put('/run/web/config.json', config('/srv/shm'));
    restoring(context, 200);
    return context;
  }
  const config = (source: string) =>
    JSON.stringify({
      ociVersion: '1.2.0',
      mounts: [{ destination: '/dev/shm', type: 'bind', source }],
    });
  const restore = (bundle: string) => state({ pid: 200, status: 'stopped', bundle });

  it('when the bundle is known, its mounts say where a linked ghost is made again', async () => {
    const context = await withLinked();
    await prestart(context, restore('/run/web'));
    assert.ok(context.host.files.exists('/srv/shm/sem.a'));
  });

  for (const bundle of ['/', '//', '/.'])
    it(`when the runtime says that the bundle is ${bundle}, as crun before 1.27 does, no config.json is read there, and the hook succeeds`, async () => {
      const context = await withLinked();
      const { files } = context.host;
      await prestart(context, restore(bundle));
      // A config.json of another user that lies there is not read either.
      files.put(`${bundle}/config.json`, config('/srv/trap'));
      files.put('/config.json', config('/srv/trap'));
      await prestart(context, restore(bundle));
      assert.deepEqual(
        [...files.contents.keys()].filter(name => name.startsWith('/srv')),
        [],
      );
      assert.ok(context.lines.includes('info the runtime does not say where the bundle of web is'));
      assert.equal(readSession(context, 'web')?.pid, 200);
    });

  it('when the bundle is known and has no config.json, the restore is refused', async () => {
    const context = await withLinked();
    await assert.rejects(prestart(context, restore('/run/other')), { code: 'ENOENT' });
  });

  it('when the state says `creating` but the process is CRIU, the image is checked as for a restore', async () => {
    const context = await checkpointed(true);
    context.host.files.contents.delete(`${images}/ghost-file-1.img`);
    restoring(context, 100);
    await assert.rejects(prestart(context, state({ status: 'creating' })), ghostkeepError('IMAGE_MISSING'));
  });

  it('when no image directory of ours is open, or the process is gone, the hook succeeds without a check', async () => {
    const context = await created();
    await prestart(context, state({ status: 'stopped' }));
    context.host.processes.end(100);
    await prestart(context, state({ status: 'stopped' }));
    await prestart(context, stopped());
  });
});

describe('poststop', () => {
  it('when the gate has sealed the dump, poststop confirms that and closes the session, also when run twice', async () => {
    const context = await checkpointed(true);
    assert.equal(readSession(context, 'web')?.images, images);
    const { [`/run/ghostkeep/sessions/web.json`]: _, ...sealed } = context.host.files.snapshot();
    context.host.processes.end(100);
    await poststop(context, stopped());
    await poststop(context, stopped());
    assert.deepEqual(context.host.files.snapshot(), sealed);
    assert.ok(context.lines.some(line => line.includes('sealed before')));
  });

  it('poststop removes the bases that a round has left of the container, and leaves those of another container', async () => {
    const context = await checkpointed(true);
    const { files, processes } = context.host;
    processes.add(200, {});
    for (const [folder, pid] of [
      ['/bases', 100],
      ['/others', 200],
    ] as const) {
      files.folders.add(folder).add(`${folder}/ghostkeep`);
      files.put(`${folder}/${baseName(fakeFile().stat)}`, 'a base');
      writeBaseRecord(context, folder, [pid]);
    }
    processes.end(100);
    await poststop(context, stopped());
    assert.deepEqual([files.exists('/bases/ghostkeep'), files.exists('/others/ghostkeep')], [false, true]);
    assert.deepEqual(
      listBaseRecords(context).map(({ record }) => record.folder),
      ['/others'],
    );
  });

  it('when runc is our parent and the dump is not sealed, poststop seals it', async () => {
    const context = await checkpointed(false);
    const { files, processes } = context.host;
    processes.end(100);
    processes.add(999, { parent: 60 }).add(60, {
      commandLine: ['/usr/sbin/runc', 'checkpoint', '--image-path', images, 'web'],
      cwd: opened(fakeFile(), '/home'),
    });
    await poststop(context, stopped());
    assert.ok(files.exists(`${images}/ghostkeep-manifest.json`));
    assert.ok(files.exists(`${images}/ghost-file-1.img`));
    assert.equal(readSession(context, 'web'), undefined);
  });

  it('when a checkpoint by CRIU has left the processes alive, poststop fails, because their later ghosts are not in it', async () => {
    for (const sealed of [true, false]) {
      const context = await checkpointed(sealed);
      const { files, processes } = context.host;
      const session = readSession(context, 'web');
      assert.ok(session);
      writeSession(context, { ...session, images });
      processes.paused.add(100);
      const { [`${images}/ghost-file-1.img`]: before } = files.snapshot();
      await assert.rejects(
        poststop(context, stopped()),
        ghostkeepError('BAD_INPUT', 'process 100 of web lives', '`ghostkeep dump --pid'),
      );
      assert.equal(readManifest(files, images).criu, true);
      assert.ok(sealed ? before : files.exists(`${images}/ghost-file-1.img`), 'its images stay');
    }
  });

  it('when CRIU has killed the process and the process is still ending, poststop confirms the checkpoint', async () => {
    const context = await checkpointed(true);
    setTimeout(() => context.host.processes.end(100), 60);
    await poststop(context, stopped());
    assert.ok(context.lines.some(line => line.includes('sealed before')));
  });

  it('when a living process holds the ghosts of the dump, poststop leaves the seal to that process', async () => {
    const context = await checkpointed(false);
    const { files, processes } = context.host;
    const path = `${images}/ghostkeep/journal.json`;
    const journal = JSON.parse(files.get(path).toString());
    processes.add(700, { startTime: '5' });
    files.put(path, JSON.stringify({ ...journal, state: 'pinned', heldBy: { pid: 700, startTime: '5' } }));
    await confirmSeal(context, 'web', undefined, images);
    assert.ok(files.exists(path));
    assert.match(context.lines.join('\n'), /left to process 700/);
  });

  it('when the container was only stopped or deleted, poststop neither seals nor dumps', async () => {
    const context = await created();
    context.host.processes.add(999, { parent: 60 }).add(60, {
      commandLine: ['runc', 'delete', '--force', 'web'],
      cwd: opened(fakeFile(), images),
    });
    await poststop(context, stopped());
    assert.deepEqual(context.host.files.snapshot(), {});
  });

  it('when the runtime did not use CRIU and the processes still live, poststop dumps and seals their ghosts', async () => {
    const context = await created();
    const { files, processes } = context.host;
    files.folders.add(images);
    processes.add(999, { parent: 60 }).add(60, {
      commandLine: ['runc', 'checkpoint', '--image-path', images, 'web'],
      cwd: opened(fakeFile(), '/home'),
    });
    await poststop(context, stopped());
    assert.deepEqual(Object.keys(files.snapshot()), [
      '/img/ghost-file-1.img',
      '/img/ghostkeep-manifest.json',
    ]);
    assert.equal(processes.pins.size, 0);
  });

  it('when poststop has to leave content out, it seals the rest and fails, unless the policy allows missing content', async () => {
    for (const allowMissing of ['false', 'true']) {
      const context = await created({ 'io.ghostkeep.warm': 'true' });
      const { files, processes } = context.host;
      files.put('/etc/ghostkeep/config.json', `{"allowMissing": ${allowMissing}}`);
      const session = readSession(context, 'web');
      assert.ok(session);
      const fdInfo = { 8: 'pos:\t0\nino:\t1\nscm_fds: 1\n' };
      processes.add(100, {
        fds: { 3: opened(fakeFile(), '/data/tmp (deleted)') },
        exe: opened(fakeFile(), '/bin/web'),
        fdInfo,
      });
      files.folders.add(images);
      const confirmed = confirmSeal(context, 'web', session, images);
      if (allowMissing === 'true') await confirmed;
      else await assert.rejects(confirmed, ghostkeepError('GHOST_LEFT_OUT', 'fd 8'));
      const { state, leftOut } = readManifest(files, images);
      assert.deepEqual([state, leftOut?.length], ['sealed', 1]);
    }
  });

  it('when a sealed dump lacks content, the session record is removed; when the seal failed, the record stays and a warning says so', async () => {
    for (const why of ['left out', 'no room']) {
      const context = await created();
      const { files } = context.host;
      const session = readSession(context, 'web');
      assert.ok(session);
      writeSession(context, { ...session, images });
      files.folders.add(images);
      const leftOut = [{ pid: 100, what: 'fd 3', why: 'it cannot be opened from here' }];
      const journal = aManifest({ criu: why === 'no room', state: 'dumped', ghosts: [], leftOut });
      files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
      const code = why === 'left out' ? 'GHOST_LEFT_OUT' : 'SEAL_FAILED';
      await assert.rejects(poststop(context, stopped()), ghostkeepError(code));
      assert.equal(readSession(context, 'web') === undefined, why === 'left out', why);
      const said = context.lines.some(line => /^warn the session record of web stays/.test(line));
      assert.equal(said, why === 'no room');
    }
  });

  it('when there is a dump without CRIU, poststop replaces it for a living process, and keeps it for a zombie', async () => {
    const context = await created();
    const { files, processes } = context.host;
    const put = () => {
      files.put(
        `${images}/ghostkeep-manifest.json`,
        JSON.stringify(aManifest({ criu: false, container: 'earlier' })),
      );
      files.folders.add(images);
    };
    const session = readSession(context, 'web');
    assert.ok(session);
    put();
    await confirmSeal(context, 'web', session, images);
    assert.equal(readManifest(files, images).container, 'web');
    put();
    const { startTime = '' } = session;
    processes.end(100);
    processes.add(100, { startTime });
    await confirmSeal(context, 'web', session, images);
    assert.equal(readManifest(files, images).container, 'earlier');
  });

  it('when an earlier poststop was killed before its seal, this one reports what was left out, unless the policy allows that', async () => {
    const context = await created();
    const { files } = context.host;
    const put = () => {
      const leftOut = [{ pid: 100, what: 'fd 3', why: 'it cannot be opened from here' }];
      const journal = aManifest({ criu: false, state: 'dumped', ghosts: [], leftOut });
      files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
      files.folders.add(images);
    };
    const session = readSession(context, 'web');
    put();
    await assert.rejects(
      confirmSeal(context, 'web', session, images),
      ghostkeepError('GHOST_LEFT_OUT', 'fd 3 of process 100'),
    );
    files.put('/etc/ghostkeep/config.json', '{"allowMissing": true}');
    put();
    await confirmSeal(context, 'web', session, images);
    assert.equal(readManifest(files, images).state, 'sealed');
  });

  it("when another process has the container's pid by now, that process is not dumped over the container's images", async () => {
    const context = await created();
    const { files, processes } = context.host;
    const session = readSession(context, 'web');
    assert.ok(session);
    files.folders.add(images);
    files.put(
      `${images}/ghostkeep-manifest.json`,
      JSON.stringify(aManifest({ criu: false, container: 'earlier' })),
    );
    processes.end(100);
    processes.add(100, {
      startTime: '20000',
      exe: opened(fakeFile({ nlink: 1 }), '/bin/other'),
      fds: { 3: opened(fakeFile(), '/data/tmp (deleted)') },
    });
    await confirmSeal(context, 'web', session, images);
    assert.equal(readManifest(files, images).container, 'earlier');
  });

  it('when nothing is known of the container, poststop ends without a change', async () => {
    const context = fakeContext();
    await poststop(context, stopped());
    assert.deepEqual(context.host.files.snapshot(), {});
  });
});
