import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { joinImage, magic } from '../../../../src/criu/frame.js';
import { writeBaseRecord } from '../../../../src/flows/bases/base-records.js';
import { removeBases } from '../../../../src/flows/bases/leftover-bases.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { type CheckpointRequest, checkpoint } from '../../../../src/flows/gate/checkpoint.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { baseName } from '../../../../src/image/layout.js';
import { parseRuntimeCommand } from '../../../../src/oci/command-line.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { aManifest } from '../../a-manifest.js';
import { filesOf } from '../../criu/files-of.js';
import {
  filesImage,
  neededFile,
  pipeFile,
  property,
  regFile,
  remap,
  remapsImage,
} from '../../criu/images.js';
import { bytes, message } from '../../criu/wire.js';
import { ghostkeepError } from '../../expect.js';
import {
  errno,
  type FakeFile,
  fakeContext,
  fakeFile,
  fakeMount,
  type Opened,
  opened,
} from '../../fake-host.js';

const images = '/img';
const frozen = (value: string) =>
  joinImage(magic.CGROUP, [
    message(2, bytes(1, 'u'), message(2, bytes(1, 'web'), property('cgroup.freeze', value))),
  ]);

interface Play {
  options?: string[];
  /** Exit status of the runtime's checkpoint. */
  status?: number;
  /** Exit status of the verbs we call ourselves. */
  verbs?: Record<string, number>;
  /** The answer of `state` once the command has run. */
  stateAfter?: string;
  stateBefore?: string;
  ghosts?: boolean;
  userConfig?: string;
  hold?: CheckpointRequest['hold'];
  /** Called between our look at the container and CRIU's freeze. */
  beforeFreeze?: (files: FakeFile[]) => void;
}

/** A container `web` with two ghosts, its runtime and its CRIU; `steps` is what happened, in order. */
function scene({
  options = [],
  status = 0,
  verbs = {},
  ghosts = true,
  userConfig,
  hold,
  stateAfter = 'running',
  stateBefore = 'running',
  beforeFreeze,
}: Play = {}) {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  const steps: string[] = [];
  const held = [fakeFile({ ino: 1n }), fakeFile({ ino: 2n })] as const;
  const at = (file: FakeFile) => opened(file, `/data/${file.stat.ino} (deleted)`);
  processes.add(100, ghosts ? { fds: { 3: at(held[0]), 4: at(held[1]) } } : {});
  const argv = ['runc', '--root', '/r', 'checkpoint', '--image-path', images, ...options, 'web'];
  const configs: string[] = [];
  context.host.commands = {
    own: () => [],
    leave: () => {},
    output: async words => {
      steps.push(words.join(' '));
      const verb = words.at(-2) as string;
      const state = {
        ociVersion: '1.0.2',
        id: 'web',
        status: configs.length > 0 ? stateAfter : stateBefore,
        pid: 100,
        bundle: '/b',
      };
      return {
        status: verbs[verb] ?? 0,
        stdout: verb === 'state' ? JSON.stringify(state) : '',
        stderr: verbs[verb] ? `${verb} says no` : '',
      };
    },
    run: async (words, environment) => {
      assert.deepEqual(words, argv);
      beforeFreeze?.([...held]);
      const config = files.get(environment?.['CRIU_CONFIG_FILE'] as string).toString();
      configs.push(config);
      steps.push(`criu ${processes.pins.size} pins`);
      const keys = [...config.matchAll(/^external (file\S+)$/gm)].map(([, key]) => key as string);
      files.put(
        `${images}/files.img`,
        filesImage(...keys.map((name, n) => regFile({ id: n + 1, name, ext: true }))),
      );
      files.put(`${images}/cgroup.img`, frozen('1'));
      if (status === 0) processes.end(100);
      return status;
    },
  };
  engine.onDump = () => void steps.push('copy');
  const { replace } = files;
  files.replace = (path, content) => {
    if (path.endsWith('manifest.json')) steps.push(`manifest ${processes.pins.size} pins`);
    replace.call(files, path, content);
  };
  const request: CheckpointRequest = {
    command: parseRuntimeCommand(argv, '/'),
    argv,
    configPath: '/tmp/criu.conf',
    userConfig,
    hold: hold ?? (async error => assert.fail(`held: ${error}`)),
  };
  const { allocated } = held[1].stat;
  const go = () => checkpoint(context, request);
  return { context, files, processes, engine, steps, configs, allocated, go };
}
type Scene = ReturnType<typeof scene>;
const ours = ({ files }: Scene) => Object.keys(files.snapshot()).filter(name => /ghost/.test(name));
const nothingLeft = (played: Scene) => {
  assert.deepEqual(ours(played), []);
  assert.ok(!played.files.exists(`${images}/ghostkeep`));
  assert.ok(!played.files.exists('/tmp/criu.conf'));
  assert.equal(played.processes.pins.size, 0);
};

/** Makes a base of a file, and a record that leads there. @returns its path */
function putBase({ context, files, processes }: Scene, folder: string, link = 'fd/3'): string {
  const pin = processes.pin(100, link);
  const base = `${folder}/${baseName(processes.statPin(pin))}`;
  processes.unpin(pin);
  files.folders.add(folder);
  files.put(base, 'torn');
  files.makeDirectory('/run/ghostkeep/bases');
  writeBaseRecord(context, folder, [100]);
  return base;
}

/** The container has one file of a shared /dev/shm open. */
const dev = 47n;
/** A mount of a pod's /dev/shm: where the host has it, or in the container. */
const shm = (id: number, point: string) => {
  const [mountPoint, root] = [Buffer.from(point), Buffer.from('/')];
  return fakeMount(id, { dev, filesystem: 'tmpfs', mountPoint, root });
};

/** @param files what lies on /dev/shm besides the file that the container holds */
function sharing(play: Play = {}, files: Record<string, FakeFile> = {}, fds?: Record<number, Opened>) {
  const played = scene({ ghosts: false, ...play });
  const { processes } = played;
  const file = fakeFile({ dev, nlink: 1 });
  const inRoot: Record<string, FakeFile> = {
    '/pod': fakeFile({ dev, ino: 1000n, mode: 0o041777 }),
    ...(fds ? {} : { '/pod/held': file }),
  };
  for (const [name, one] of Object.entries(files)) inRoot[`/pod/${name}`] = one;
  const self = { namespace: 'mnt:[1]', parent: 1, mounts: [shm(9, '/pod')], inRoot };
  processes.add(processes.self(), self);
  processes.add(100, {
    mounts: [fakeMount(30), shm(40, '/dev/shm')],
    fds: fds ?? { 3: opened(file, '/dev/shm/held', { mount: 40 }) },
  });
  return { ...played, inRoot };
}
const closed = (ino = 2n) => fakeFile({ dev, ino, nlink: 1 });
const openedClosed = { 3: opened(closed(), '/dev/shm/sem', { mount: 50 }) };

describe('ghostkeep checkpoint', () => {
  it('when the directory has an earlier checkpoint, the images of its ghosts that no entry names any more are removed', async () => {
    const remaps = `${images}/remap-fpath.img`;
    const { files, go } = scene({ beforeFreeze: () => files.remove(remaps) });
    files.put(remaps, remapsImage(remap(7, 9, 1)));
    for (const id of [8, 9]) files.put(`${images}/ghost-file-${id}.img`, 'earlier');
    await go();
    assert.deepEqual(
      files
        .list(images)
        .filter(name => name.startsWith('ghost-file'))
        .sort(),
      [1, 2, 8].map(id => `ghost-file-${id}.img`),
    );
  });

  it('when the source of a mount is gone, a warning comes before any other step', async () => {
    const { context, go } = scene({ ghosts: false });
    const mount = fakeMount(30, { mountPoint: Buffer.from('/data'), rootGone: true });
    context.host.processes.add(100, { mounts: [mount] });
    await go();
    assert.match(context.lines[0] ?? '', /^warn the source of the mount at \/data was removed or replaced: /);
  });

  it('when all goes well, ghosts are pinned before CRIU runs, copied after it, and held until the dump is sealed', async () => {
    const played = scene();
    const manifest = await played.go();
    assert.deepEqual(played.steps, [
      'runc --root /r state web',
      'runc --root /r pause web',
      'criu 2 pins',
      'copy',
      'copy',
      'manifest 2 pins',
      'runc --root /r resume web',
    ]);
    assert.equal(manifest?.container, 'web');
    assert.deepEqual(ours(played), [
      '/img/ghost-file-1.img',
      '/img/ghost-file-2.img',
      '/img/ghostkeep-manifest.json',
    ]);
    assert.equal(played.processes.pins.size, 0);
    assert.equal(played.configs[0], '\nexternal file[1e:1]\nexternal file[1e:2]\n');
    assert.ok(!played.files.exists('/tmp/criu.conf'));
    assert.ok(manifest?.ghosts.every(ghost => ghost.pin === undefined));
    assert.deepEqual(played.files.get(`${images}/cgroup.img`), frozen('0'));
  });

  it('a named file on a shared /dev/shm is copied after CRIU has run, and CRIU gets no key of it', async () => {
    const played = sharing();
    const manifest = await played.go();
    assert.deepEqual(played.steps.slice(2, 5), ['criu 1 pins', 'copy', 'manifest 1 pins']);
    assert.deepEqual(played.configs, ['\n']);
    assert.deepEqual(
      manifest?.ghosts.map(ghost => [ghost.class, ghost.image, ghost.pin]),
      [['named', 'ghostkeep-linked-1.img', undefined]],
    );
  });

  it('a file on a shared /dev/shm that nobody holds refuses the dump before CRIU runs, and the container goes on', async () => {
    const played = sharing({}, { sem: closed() });
    await assert.rejects(
      played.go(),
      ghostkeepError('SHM_NOT_HELD', '1 file with', '/dev/shm/sem', 'no process of this host', 'closedShm'),
    );
    assert.deepEqual(played.configs, []);
    assert.equal(played.steps.at(-1), 'runc --root /r resume web');
    nothingLeft(played);
  });

  it('a file on a shared /dev/shm that a process outside the container holds is only named in a warning', async () => {
    const played = sharing({}, { sem: closed() });
    played.processes.add(200, { mounts: [fakeMount(30), shm(50, '/dev/shm')], fds: openedClosed });
    await played.go();
    const named = played.context.lines.filter(line => /^warn not in the checkpoint: 1 file/.test(line));
    assert.match(named.join(), /\/dev\/shm\/sem\), which only processes outside the container hold and/);
    const { pids, files } = played.processes.sought[0] ?? {};
    assert.deepEqual([pids, files?.map(({ ino }) => ino)], [[200], [2n]]);
  });

  for (const [what, config, state, outcome] of [
    ['running', {}, 'running', 'refused'],
    ['running, and others hold the file', {}, 'running', 'refused'],
    ['running', { closedShm: 'warn' }, 'running', 'warned'],
    ['paused', {}, 'paused', 'refused'],
    ['paused, and others hold the file', {}, 'paused', 'warned'],
  ] as const)
    it(`when CRIU encrypts and a file lies on a shared /dev/shm, the dump of a container that is ${what} is ${outcome} with ${JSON.stringify(config)}`, async () => {
      const played = sharing({ stateBefore: state }, { sem: closed() }, {});
      if (what.includes('others')) played.processes.add(200, { fds: openedClosed });
      played.files.put(`${images}/cipher.img`, 'a token');
      played.files.put(configPath, JSON.stringify(config));
      const lookedLater = state === 'running' ? ['nobody can look', 'pause the container'] : ['no process'];
      if (outcome === 'refused')
        await assert.rejects(played.go(), ghostkeepError('SHM_NOT_HELD', '/dev/shm/sem', ...lookedLater));
      else await played.go();
      assert.equal(played.configs.length, outcome === 'refused' ? 0 : 1);
      const warnings = played.context.lines.filter(line => line.startsWith('warn not in the checkpoint: '));
      assert.equal(warnings.length, outcome === 'refused' ? 0 : 1);
    });

  it('when CRIU encrypts and nothing lies on a shared /dev/shm, a running container is checkpointed', async () => {
    const played = sharing({}, {}, {});
    played.files.put(`${images}/cipher.img`, 'a token');
    await played.go();
    assert.equal(played.configs.length, 1);
  });

  for (const [kept, what] of [
    [true, 'beside a named file'],
    [false, 'alone'],
  ] as const)
    it(`a file that came to a shared /dev/shm ${what} before CRIU froze a container that could not be paused ends the command with an error`, async () => {
      const came = (config: object, ...holders: number[]) => {
        const beforeFreeze = () => Object.assign(played.inRoot, { '/pod/new': closed(7n) });
        const played = sharing({ verbs: { pause: 1 }, beforeFreeze }, {}, kept ? undefined : {});
        played.files.put(configPath, JSON.stringify(config));
        for (const pid of holders)
          played.processes.add(pid, { fds: { 3: opened(closed(7n), '/dev/shm/new', { mount: 50 }) } });
        return played.go();
      };
      const lacks = ghostkeepError(
        'SHM_NOT_HELD',
        `in ${images} lacks 1 file`,
        '/dev/shm/new',
        'came before',
      );
      await assert.rejects(came({}), lacks);
      await came({}, 200);
      await came({ closedShm: 'warn' });
    });

  it('when CRIU encrypts, a named file refuses the dump before anything is paused', async () => {
    const played = sharing();
    played.files.put(`${images}/cipher.img`, 'a token');
    await assert.rejects(played.go(), ghostkeepError('SHM_NOT_KEPT', '/dev/shm/held', 'encrypted'));
    assert.deepEqual(played.steps, ['runc --root /r state web']);
  });

  for (const [name, how, isLost] of [
    ['/dev/shm/held', 'opened', false],
    ['/dev/shm/new', 'opened', true],
    ['/dev/shm/removed', 'opened', false],
    ['/data/new', 'opened', false],
    ['/dev/shm/held', 'watched', false],
    ['/dev/shm', 'watched', false],
    ['/dev/shm/new', 'watched', true],
    ['/dev/shm/new', 'marked', true],
    ['/data/new', 'watched', false],
    ['/dev/shm/socket', 'bound', false],
    ['/dev/shm/new/socket', 'bound', true],
    ['new/socket', 'bound in /dev/shm', true],
    ['/dev/shm/new/socket', 'removed', false],
    ['\0/dev/shm/new/socket', 'bound', false],
  ] as const)
    for (const accepted of [false, true])
      it(`when ${JSON.stringify(name)} was ${how} before CRIU froze a container that could not be paused, the command ${isLost && !accepted ? 'fails' : 'succeeds'} ${accepted ? 'with' : 'without'} allowMissing`, async () => {
        const played = sharing({ verbs: { pause: 1 } });
        if (accepted) played.files.put(configPath, '{"allowMissing": true}');
        const { run } = played.context.host.commands;
        played.context.host.commands.run = async (words, environment) => {
          const status = await run(words, environment);
          played.files.put(`${images}/files.img`, filesImage(pipeFile(6), neededFile(how, name)));
          if (name.endsWith('removed'))
            played.files.put(`${images}/remap-fpath.img`, remapsImage(remap(7, 9, 1)));
          return status;
        };
        const path = how === 'bound in /dev/shm' ? `/dev/shm/${name}` : name;
        if (isLost && !accepted)
          await assert.rejects(played.go(), ghostkeepError('SHM_NOT_KEPT', path, 'lacks'));
        else await played.go();
        assert.ok(played.files.exists(`${images}/ghostkeep-manifest.json`));
      });

  it('named files whose attributes would make the manifest too large refuse the dump, unless the policy accepts it', async () => {
    const played = scene({ ghosts: false });
    const { processes, engine, context } = played;
    const files = Array.from({ length: 1000 }, (_, index) => closed(BigInt(index + 1)));
    const inRoot = Object.fromEntries(files.map((file, index) => [`/pod/f${index}`, file]));
    inRoot['/pod'] = fakeFile({ dev, ino: 5000n, mode: 0o041777 });
    const mounts = [shm(9, '/pod')];
    processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts, inRoot });
    const fds = files.map((file, index) => [index, opened(file, `/dev/shm/f${index}`, { mount: 40 })]);
    processes.add(100, { mounts: [fakeMount(30), shm(40, '/dev/shm')], fds: Object.fromEntries(fds) });
    engine.xattrs = () => ({ 'user.large': Buffer.alloc(60_000) });
    played.files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest()));
    played.files.put(`${images}/ghostkeep-linked-1.img`, 'earlier');
    await assert.rejects(played.go(), ghostkeepError('SHM_NOT_KEPT', 'the manifest has no room for its'));
    assert.deepEqual(played.configs, []);
    for (const name of ['ghostkeep-manifest.json', 'ghostkeep-linked-1.img'])
      assert.ok(played.files.exists(`${images}/${name}`), `${name} of an earlier checkpoint is gone`);
    played.files.put(configPath, '{"allowMissing": true}');
    const manifest = await played.go();
    const kept = manifest?.ghosts.length ?? 0;
    assert.ok(kept > 100 && kept < 200, String(kept));
    assert.equal(context.lines.filter(line => /no room for its names/.test(line)).length, 1000 - kept);
  });

  it('when the container cannot be paused, CRIU freezes it all the same, and a warning says what that may cost', async () => {
    const played = scene({ verbs: { pause: 1 } });
    await played.go();
    assert.ok(played.context.lines.some(line => /^warn web runs on .*pause says no/.test(line)));
    assert.deepEqual(played.files.get(`${images}/cgroup.img`), frozen('1'));
  });

  it('when the container is paused already, it is not resumed, and its restored copy is paused too', async () => {
    const played = scene({ stateBefore: 'paused' });
    await played.go();
    assert.deepEqual(played.steps.slice(0, 2), ['runc --root /r state web', 'criu 2 pins']);
    assert.equal(played.steps.at(-1), 'manifest 2 pins');
    assert.deepEqual(played.files.get(`${images}/cgroup.img`), frozen('1'));
  });

  it('when there is no ghost, cgroup.img is thawed too, so that the restored container runs', async () => {
    const played = scene({ ghosts: false });
    await played.go();
    assert.deepEqual(played.files.get(`${images}/cgroup.img`), frozen('0'));
  });

  it('when a ghost changes its owner before CRIU freezes the container, the manifest has the last owner', async () => {
    const played = scene({
      beforeFreeze: ([first]) => Object.assign(first?.stat ?? {}, { uid: 33, gid: 44 }),
    });
    const manifest = await played.go();
    assert.deepEqual(
      manifest?.ghosts.map(({ uid, gid }) => [uid, gid]),
      [
        [33, 44],
        [0, 0],
      ],
    );
    assert.equal(manifest?.idMaps, undefined);
  });

  it('when the user has a CRIU_CONFIG_FILE, its options stay in effect before ours', async () => {
    const played = scene({ userConfig: '/home/criu.conf' });
    played.files.put('/home/criu.conf', 'tcp-established');
    await played.go();
    assert.equal(played.configs[0], 'tcp-established\nexternal file[1e:1]\nexternal file[1e:2]\n');
    assert.equal(played.files.get('/home/criu.conf').toString(), 'tcp-established');
    const gone = scene({ userConfig: '/home/gone.conf' });
    await gone.go();
    assert.equal(gone.configs[0], '\nexternal file[1e:1]\nexternal file[1e:2]\n');
  });

  it("when there is no ghost, the runtime's command runs all the same, and the manifest of an earlier dump is removed", async () => {
    const played = scene({ ghosts: false });
    played.files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest()));
    assert.equal(await played.go(), undefined);
    assert.deepEqual(played.configs, ['\n']);
    nothingLeft(played);
  });

  it('when CRIU encrypts the image (cipher.img), nothing is paused, all ghosts are left to CRIU, and a warning says so', async () => {
    const played = scene();
    played.files.put(`${images}/cipher.img`, 'a token');
    played.files.put(`${images}/ghostkeep/manifest.json`, '{}');
    assert.equal(await played.go(), undefined);
    assert.deepEqual(played.steps, ['runc --root /r state web', 'criu 0 pins']);
    assert.match(
      played.context.lines.join('\n'),
      /^warn CRIU encrypts the image \(cipher\.img\).* left to CRIU/m,
    );
    nothingLeft(played);
  });

  it('when the only ghost is linked on a disk, files.img gets its other name and nothing is copied', async () => {
    const played = scene({ ghosts: false });
    const file = fakeFile({ ino: 7n, nlink: 1 });
    played.processes.add(100, {
      mounts: [fakeMount(30)],
      fds: { 3: opened(file, '/data/x (deleted)') },
      inRoot: { '/data/y': file },
    });
    const manifest = await played.go();
    assert.deepEqual(manifest?.ghosts, []);
    assert.ok(!played.steps.includes('copy'));
    assert.deepEqual(filesOf(played.files.get(`${images}/files.img`)), ['1 /data/y @30']);
  });

  it('when the runtime fails, its container is left as it is and none of our files remains', async () => {
    const played = scene({ status: 3 });
    await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED', 'status 3', 'dump.log', images));
    assert.ok(!played.steps.includes('copy'));
    nothingLeft(played);
  });

  it('when another process still holds the ghosts of a checkpoint in the directory, nothing is begun and nothing removed', async () => {
    for (const ghosts of [true, false]) {
      const played = scene({ ghosts });
      const journal = aManifest({ state: 'pinned', heldBy: { pid: 700, startTime: '5' } });
      played.files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
      played.processes.add(700, { startTime: '5', commandLine: ['ghostkeep', 'checkpoint'] });
      await assert.rejects(played.go(), ghostkeepError('IN_USE', 'process 700 (ghostkeep checkpoint)'));
      assert.deepEqual(played.configs, []);
      assert.ok(played.files.exists(`${images}/ghostkeep/journal.json`));
    }
  });

  it("when the runtime fails and the gate has written a dump there meanwhile, the gate's files stay", async () => {
    const played = scene({ status: 3 });
    const { run } = played.context.host.commands;
    played.context.host.commands.run = async (words, environment) => {
      const status = await run(words, environment);
      played.files.removeTree(`${images}/ghostkeep`);
      played.files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest()));
      return status;
    };
    await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED'));
    assert.ok(played.files.exists(`${images}/ghostkeep-manifest.json`));
  });

  it('when the gate is installed as well and found no ghost any more, the checkpoint succeeds without a wait', async () => {
    for (const open of [false, true]) {
      const played = scene({ verbs: { pause: 1 }, hold: async () => false });
      const { run } = played.context.host.commands;
      played.context.host.commands.run = async (words, environment) => {
        const status = await run(words, environment);
        played.files.removeTree(`${images}/ghostkeep`);
        if (!open) played.files.put(`${images}/files.img`, filesImage(regFile({ id: 1, name: '/live' })));
        return status;
      };
      // If CRIU did leave a ghost to us, the image lacks it, so the checkpoint fails.
      if (open) await assert.rejects(played.go(), ghostkeepError('MANIFEST_MISSING'));
      else assert.equal(await played.go(), undefined);
      assert.equal(played.processes.pins.size, 0);
    }
  });

  it('when the runtime cannot be started, none of our files remains', async () => {
    const played = scene();
    played.context.host.commands.run = async () => {
      throw errno('ENOENT', 'runc');
    };
    await assert.rejects(played.go(), { code: 'ENOENT' });
    nothingLeft(played);
  });

  it("when there is too little room, the checkpoint is refused before the runtime's command runs", async () => {
    const played = scene();
    played.files.free = 16n * 1024n * 1024n + 8191n;
    await assert.rejects(played.go(), ghostkeepError('NO_SPACE', images, '--image-path'));
    assert.deepEqual(played.configs, []);
    nothingLeft(played);
    const enough = scene();
    enough.files.free = 16n * 1024n * 1024n + 8192n;
    await enough.go();
    const unknown = scene();
    unknown.files.free = undefined;
    await unknown.go();
  });

  it('when the runtime does not know the container, the error quotes the runtime', async () => {
    const played = scene({ verbs: { state: 1 } });
    await assert.rejects(played.go(), ghostkeepError('NOT_FOUND', 'web', 'state says no'));
    assert.deepEqual(played.configs, []);
  });

  it('when the container is stopped, the error says that it must be started again', async () => {
    const played = scene();
    const { output } = played.context.host.commands;
    played.context.host.commands.output = async (words, waitMs) => {
      const answer = await output(words, waitMs);
      return { ...answer, stdout: answer.stdout.replace('"running"', '"stopped"').replace('100', '0') };
    };
    await assert.rejects(played.go(), ghostkeepError('NOT_FOUND', 'web', 'it is stopped', 'start it again'));
  });

  it('when the runtime prints no state, the error names the command whose answer cannot be read', async () => {
    const played = scene();
    played.context.host.commands.output = async () => ({ status: 0, stdout: 'warning: x', stderr: '' });
    await assert.rejects(
      played.go(),
      (error: Error) =>
        ghostkeepError('BAD_STATE', 'from `runc --root /r state web`', 'not JSON')(error) &&
        !error.message.includes('stdin'),
    );
  });

  it("when the runtime's program does not exist, the error names the program", async () => {
    const played = scene();
    played.context.host.commands.output = async () => {
      throw Object.assign(new Error('spawn runc ENOENT'), { code: 'ENOENT' });
    };
    await assert.rejects(played.go(), ghostkeepError('IO', 'cannot run runc', 'ENOENT'));
  });

  it('when a copy fails after CRIU has succeeded, the ghosts are held until a copy succeeds', async () => {
    const held: string[] = [];
    const played = scene({
      hold: async error => {
        held.push(`${(error as Error).message.slice(0, 33)}, ${played.processes.pins.size} pins`);
        return held.length < 10;
      },
    });
    let failures = 3;
    played.engine.onDump = () => {
      if (failures-- > 0) throw errno('ENOSPC');
    };
    const manifest = await played.go();
    assert.deepEqual([...new Set(held)], ['cannot dump ghost 8:1/1 (/data/1), 2 pins']);
    assert.ok(held.length >= 1);
    assert.equal(manifest?.ghosts.length, 2);
    assert.deepEqual(ours(played).length, 3);
    assert.equal(played.processes.pins.size, 0);
  });

  for (const folder of ['/bases', images])
    it(`when a round has left a base in ${folder}, the copy is made over it`, async () => {
      const played = scene();
      const { files, engine, go } = played;
      const base = putBase(played, folder);
      const manifest = await go();
      assert.deepEqual([engine.overTogether, manifest?.ghosts.length], [[true, false], 2]);
      assert.ok(!files.exists(base));
      assert.ok(!files.exists(`${images}/ghostkeep`));
    });

  for (const folder of ['/bases', images])
    it(`when the runtime fails, the base is in ${folder} again`, async () => {
      const played = scene({ status: 1 });
      const base = putBase(played, folder);
      await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED', 'status 1'));
      assert.ok(played.files.exists(base));
      assert.deepEqual(
        ours(played).filter(name => !name.startsWith('/run/')),
        [base],
      );
    });

  it('when somebody else writes into the directory of a base by the time the runtime has failed, the base is removed', async () => {
    const played = scene({
      status: 1,
      beforeFreeze: () => void played.files.lockedFolders.set('/bases', -1),
    });
    const base = putBase(played, '/bases');
    await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED', 'status 1'));
    assert.ok(!played.files.exists(base));
    assert.deepEqual(
      ours(played).filter(name => !name.startsWith('/run/')),
      [],
    );
  });

  it('when a base is removed while we look for it, the ghost is copied anew', async () => {
    const played = scene();
    const { files, engine } = played;
    const base = putBase(played, '/bases');
    const exists = files.exists.bind(files);
    files.exists = path => {
      const is = exists(path);
      if (path === base) files.contents.delete(base);
      return is;
    };
    assert.equal((await played.go())?.ghosts.length, 2);
    assert.deepEqual(engine.overTogether, [false, false]);
  });

  for (const [why, comes] of [
    ['the ghosts do not fit beside their base', true],
    ['the base cannot come', false],
  ] as const)
    it(`when ${why}, NO_SPACE comes before the runtime's command, and base and earlier dump stay`, async () => {
      const played = scene();
      const { files, context, configs } = played;
      const base = putBase(played, '/bases');
      files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest()));
      files.put(`${images}/inventory.img`, 'earlier');
      const started: (readonly string[])[] = [];
      context.host.commands.leave = words => void started.push(words);
      const { reserve } = resolvePolicy();
      // If the base comes, the disk lacks one byte for the second ghost. Otherwise the first ghost has to be
      // written, too, and there is no room for it.
      files.free = reserve + played.allocated - (comes ? 1n : 0n);
      if (!comes) {
        const { renameNew } = files;
        files.renameNew = (from, to) => {
          if (from === base) throw errno('EXDEV', to);
          renameNew.call(files, from, to);
        };
      }
      await assert.rejects(played.go(), ghostkeepError('NO_SPACE', 'cannot checkpoint'));
      assert.deepEqual(configs, []);
      assert.ok(files.exists(base));
      assert.ok(files.exists(`${images}/ghostkeep-manifest.json`));
      assert.ok(!files.exists(`${images}/ghostkeep`));
      assert.deepEqual(
        started.map(words => words[1]),
        comes ? [images, '/bases'] : [images],
      );
    });

  it('when the journal cannot be written, the base goes back, and a process watches it', async () => {
    const played = scene();
    const { files, context } = played;
    const base = putBase(played, '/bases');
    const started: (readonly string[])[] = [];
    context.host.commands.leave = words => void started.push(words);
    const { replace } = files;
    files.replace = (path, content) => {
      if (path.endsWith('/journal.json')) throw errno('ENOSPC', path);
      replace.call(files, path, content);
    };
    await assert.rejects(played.go(), /ENOSPC/);
    assert.ok(files.exists(base));
    assert.deepEqual(
      started.map(words => words[1]),
      [images, '/bases'],
    );
  });

  for (const fits of [true, false])
    it(`when a named file that may be left out has a base, the ghosts need room besides the base, and ${fits ? 'have it' : 'lack it'}`, async () => {
      const played = scene();
      const { files, processes, configs, allocated } = played;
      const shm = (id: number) =>
        fakeMount(id, { dev: 47n, filesystem: 'tmpfs', mountPoint: Buffer.from('/dev/shm') });
      processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: [shm(9)] });
      processes.add(100, {
        mounts: [fakeMount(30), shm(40)],
        fds: {
          3: opened(fakeFile({ ino: 1n }), '/data/1 (deleted)'),
          5: opened(fakeFile({ dev: 47n, nlink: 1 }), '/dev/shm/held', { mount: 40 }),
        },
      });
      files.put(configPath, '{"allowMissing": true}');
      const base = putBase(played, '/bases', 'fd/5');
      files.free = resolvePolicy().reserve + allocated - (fits ? 0n : 1n);
      if (fits) {
        const manifest = await played.go();
        assert.deepEqual(
          manifest?.ghosts.map(one => one.class),
          ['unlinked', 'named'],
        );
        assert.deepEqual(played.engine.overTogether, [false, true]);
        return;
      }
      await assert.rejects(played.go(), ghostkeepError('NO_SPACE', 'cannot checkpoint'));
      assert.deepEqual(configs, []);
      assert.ok(files.exists(base));
    });

  it('before a base comes into the image directory, a process watches there; without one, no base comes', async () => {
    for (const starts of [true, false]) {
      const played = scene();
      const { files, context, engine } = played;
      const base = putBase(played, '/bases');
      context.host.commands.leave = words => {
        assert.deepEqual([words[1], files.exists(base)], [images, true]);
        if (!starts) throw errno('ENOENT', 'ghostkeep-hook');
      };
      await played.go();
      assert.deepEqual([engine.overTogether, files.exists(base)], [[starts, false], !starts]);
    }
  });

  it('when the container ends before its ghosts are copied, a clean-up leaves the base that waits in the image directory', async () => {
    const played = scene({ beforeFreeze: () => void removeBases(played.context, images) });
    putBase(played, images);
    await played.go();
    assert.deepEqual(played.engine.overTogether, [true, false]);
  });

  it('when ghostkeep checkpoint was killed, a clean-up removes the base that it has left in the image directory', () => {
    const { context, files, ...played } = scene();
    const base = putBase({ context, files, ...played }, images);
    const heldBy = { pid: 999, startTime: '1' };
    files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(aManifest({ state: 'pinned', heldBy })));
    removeBases(context, images);
    assert.ok(!files.exists(base));
    assert.ok(files.exists(`${images}/ghostkeep/journal.json`));
  });

  it('when a copy over a base fails, the second try has the base again', async () => {
    const played = scene({ hold: async () => true });
    putBase(played, '/bases');
    const { onDump } = played.engine;
    played.engine.onDump = (count, ghost) => {
      onDump(count, ghost);
      // The first ghost has been copied over its base. The second one fails then, and again in a call of its
      // own.
      if (count === 2 || count === 3) throw errno('EIO');
    };
    await played.go();
    assert.deepEqual(played.engine.overTogether, [true, false, true, false]);
  });

  it('when the user gives up after a failed copy, the error is reported, and the journal stays for `show`', async () => {
    const played = scene({ hold: async () => false });
    played.engine.onDump = () => {
      throw errno('EIO');
    };
    await assert.rejects(played.go(), ghostkeepError('IO', 'EIO'));
    assert.ok(played.files.exists(`${images}/ghostkeep/journal.json`));
    assert.equal(played.processes.pins.size, 0);
  });

  it('when another process has sealed the dump while the ghosts were held, the checkpoint ends with that manifest', async () => {
    const played = scene({
      hold: async () => {
        played.files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest({ tool: 'other' })));
        return true;
      },
    });
    played.engine.onDump = () => {
      throw errno('EIO');
    };
    assert.equal((await played.go())?.tool, 'other');
  });

  it('when sealing fails, the ghosts are held too, and the copies are not made again', async () => {
    let holds = 0;
    const played = scene({ hold: async () => ++holds < 10 });
    const { read } = played.files;
    let failures = 2;
    played.files.read = (path, bound) => {
      if (path.endsWith('files.img') && failures-- > 0) throw errno('EIO');
      return read.call(played.files, path, bound);
    };
    await played.go();
    assert.equal(played.steps.filter(step => step === 'copy').length, 2);
    assert.equal(sealImages(played.context, images, { durable: true }).now, false);
  });
});

describe('ghostkeep checkpoint --leave-running', () => {
  const options = ['--leave-running'];

  it('when all goes well, the container is paused before the search for ghosts and resumed at the end', async () => {
    const played = scene({ options });
    const manifest = await played.go();
    assert.deepEqual(played.steps, [
      'runc --root /r state web',
      'runc --root /r pause web',
      'criu 2 pins',
      'copy',
      'copy',
      'manifest 2 pins',
      'runc --root /r resume web',
    ]);
    assert.equal(manifest?.thaw, true);
    assert.deepEqual(played.files.get(`${images}/cgroup.img`), frozen('0'));
  });

  it('when any step fails, the container is resumed all the same', async () => {
    const full = scene({ options });
    full.files.free = 0n;
    const failed = scene({ options, status: 1 });
    const given = scene({ options, hold: async () => false });
    given.engine.onDump = () => {
      throw errno('EIO');
    };
    for (const played of [full, failed, given]) {
      await assert.rejects(played.go());
      assert.equal(played.steps.at(-1), 'runc --root /r resume web');
    }
  });

  it('when the container cannot be paused, the checkpoint does not begin, and a half-done pause is undone', async () => {
    const played = scene({ options, verbs: { pause: 1 } });
    await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED', 'pause says no'));
    assert.deepEqual(played.configs, []);
    assert.equal(played.steps.at(-1), 'runc --root /r resume web');
    nothingLeft(played);
  });

  it('when the runtime has resumed the container already, the failure of `resume` is ignored', async () => {
    const played = scene({ options, verbs: { resume: 1 } });
    await played.go();
    assert.ok(played.steps.at(-1)?.includes('state web'));
  });

  it('when the container stays paused, the checkpoint fails and says so', async () => {
    const played = scene({ options, verbs: { resume: 1 }, stateAfter: 'paused' });
    await assert.rejects(played.go(), ghostkeepError('CHECKPOINT_FAILED', 'still paused'));
  });

  it('when a copy fails, the ghosts are not held, because the running container still has them', async () => {
    let held = 0;
    const played = scene({ options, hold: async () => ++held > 0 });
    played.engine.onDump = () => {
      throw errno('EIO');
    };
    await assert.rejects(played.go(), ghostkeepError('IO'));
    assert.equal(held, 0);
  });
});
