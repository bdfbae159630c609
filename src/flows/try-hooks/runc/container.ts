/**
 * A container of runc that holds one ghost. It is started, checkpointed and restored, then it checks its own
 * file and is removed.
 */

import { bounds } from '../../../base/bounds.js';
import { GhostkeepError } from '../../../base/errors.js';
import type {} from '../../../base/host/host.js';
import type { Ended } from '../../../base/host/testbed.js';
import { manifestExists, readManifest } from '../../../image/manifest.js';
import type { TestbedContext } from '../testbed-context.js';
import { findWorkload } from '../workload.js';
import type { RealTools } from './tools.js';

/** 1 GiB of hole and 2 MiB of data: more than CRIU's limit of 1 MiB. */
const kind = 'hole-1g-2m';
/**
 * The folder for the bundle. It is not /tmp, which is often a tmpfs. CRIU reads a file's first page in search
 * of a build id; on a tmpfs that fills the hole it reads, and the workload would notice.
 */
const diskFolder = '/var/tmp';
const commandWaitMs = 120_000;
const appearWaitMs = 60_000;
const lookEveryMs = 50;

export class RealContainer {
  readonly #bundle: string;
  readonly #images: string;
  readonly #id: string;

  constructor(
    private readonly context: TestbedContext,
    private readonly tools: RealTools,
  ) {
    this.#bundle = context.testbed.makeScratch(diskFolder);
    this.#images = `${this.#bundle}/images`;
    this.#id = this.#bundle.slice(this.#bundle.lastIndexOf('/') + 1);
  }

  async start(): Promise<number> {
    const { host, testbed } = this.context;
    for (const folder of ['data', 'proc', 'dev', 'sys', 'etc'])
      host.files.makeDirectory(`${this.#bundle}/rootfs/${folder}`, 0o755);
    testbed.write(
      `${this.#bundle}/rootfs/ghost-workload`,
      host.files.read(findWorkload(this.context), bounds.ownParts),
      0o755,
    );
    testbed.write(`${this.#bundle}/config.json`, JSON.stringify(config), 0o644);
    host.files.makeDirectory(this.#images, 0o700);
    await this.#detached(['run', '-d', '--bundle', this.#bundle]);
    await this.#appears('ready');
    return this.#pid();
  }

  /** @returns CRIU's reason if it refused; undefined if the gate made the checkpoint succeed */
  async checkpoint(): Promise<string | undefined> {
    const { host } = this.context;
    const ended = await this.#run([this.tools.runc, ...this.#checkpointWords()]);
    if (ended.status === 0) {
      if (manifestExists(host.files, this.#images)) return undefined;
      throw new GhostkeepError(
        'CHECKPOINT_FAILED',
        this.#id,
        'runc made a checkpoint without ghostkeep, which CRIU should have refused; is ghost-limit set in its configuration?',
      );
    }
    const log = host.files.readIfThere(`${this.#images}/dump.log`, bounds.ownParts)?.toString('utf8') ?? '';
    const refusal = /Can't dump ghost file .*/.exec(log)?.[0];
    if (refusal !== undefined) return refusal;
    const reason = /Error .*/.exec(log)?.[0] ?? ended.stderr.trim().split('\n').at(-1);
    throw new GhostkeepError('CHECKPOINT_FAILED', this.#id, `runc checkpoint failed: ${reason}`);
  }

  /** @returns the number of ghosts in the image */
  async checkpointWithGhostkeep(): Promise<number> {
    const { host, testbed } = this.context;
    const words = [
      ...testbed.ownCommand(),
      'checkpoint',
      '--hold',
      '1',
      '--',
      this.tools.runc,
      ...this.#checkpointWords(),
    ];
    const ended = await this.#run(words);
    if (ended.status === 0) return readManifest(host.files, this.#images).ghosts.length;
    throw new GhostkeepError(
      'CHECKPOINT_FAILED',
      this.#id,
      `ghostkeep checkpoint failed: ${ended.stderr.trim()}`,
    );
  }

  async restore(): Promise<number> {
    await this.#detached([
      'restore',
      '-d',
      '--bundle',
      this.#bundle,
      '--image-path',
      this.#images,
      '--work-path',
      this.#images,
    ]);
    return this.#pid();
  }

  /** Asks the workload to check its ghost. @returns the number of its checks that were right */
  async verdict(): Promise<number> {
    const { host, testbed } = this.context;
    testbed.write(`${this.#bundle}/rootfs/data/verify`, '', 0o644);
    await this.#appears('verdict');
    const lines = host.files
      .read(`${this.#bundle}/rootfs/data/verdict`, bounds.ownParts)
      .toString('utf8')
      .trim()
      .split('\n');
    const wrong = lines.filter(line => line.startsWith('not ok '));
    const right = lines.filter(line => line.startsWith('ok '));
    if (wrong.length === 0 && right.length > 0 && lines.at(-1) === 'end') return right.length;
    throw new GhostkeepError('IMAGE_MISMATCH', this.#id, wrong.join('; ') || 'the workload checked nothing');
  }

  async remove(): Promise<void> {
    await this.#run([this.tools.runc, ...this.#globals(), 'delete', '-f', this.#id]).catch(() => {});
  }

  #globals(): string[] {
    return ['--root', `${this.#bundle}/runc`, '--log', `${this.#bundle}/runc.log`];
  }

  #checkpointWords(): string[] {
    return [
      ...this.#globals(),
      'checkpoint',
      '--image-path',
      this.#images,
      '--work-path',
      this.#images,
      this.#id,
    ];
  }

  #pid(): number {
    const pid = Number(this.context.host.files.read(`${this.#bundle}/pid`, bounds.ownParts).toString('utf8'));
    this.context.testbed.adopt(pid);
    return pid;
  }

  /**
   * The container keeps runc's standard streams. They must not be pipes to us, because CRIU cannot restore
   * those.
   */
  async #detached(words: readonly string[]): Promise<void> {
    const { host } = this.context;
    const runc = [
      this.tools.runc,
      ...this.#globals(),
      ...words,
      '--pid-file',
      `${this.#bundle}/pid`,
      this.#id,
    ];
    const ended = await this.#run(['/bin/sh', '-c', 'exec "$@" </dev/null >/dev/null 2>&1', 'sh', ...runc]);
    if (ended.status === 0) return;
    const log = host.files
      .readIfThere(`${this.#bundle}/runc.log`, bounds.ownParts)
      ?.toString('utf8')
      .trim()
      .split('\n')
      .at(-1);
    throw new GhostkeepError(
      'IO',
      this.#id,
      `runc ${words[0]} ended with status ${ended.status}: ${log ?? ''}`,
    );
  }

  async #run(argv: readonly string[]): Promise<Ended> {
    const { testbed } = this.context;
    const program = await testbed.start({
      path: argv[0] as string,
      argv,
      environment: { PATH: this.tools.path },
      cwd: this.#bundle,
      waitMs: commandWaitMs,
    });
    return program.ended;
  }

  async #appears(name: string): Promise<void> {
    const { host, testbed } = this.context;
    const until = host.clock() + appearWaitMs;
    while (!host.files.exists(`${this.#bundle}/rootfs/data/${name}`)) {
      if (host.clock() > until)
        throw new GhostkeepError(
          'DEADLINE',
          name,
          `the container wrote no ${name} for ${appearWaitMs / 1000} s`,
        );
      await testbed.wait(lookEveryMs);
    }
  }
}

const config = {
  ociVersion: '1.0.2',
  process: {
    terminal: false,
    user: { uid: 0, gid: 0 },
    cwd: '/',
    args: ['/ghost-workload', 'run', '/data', kind],
    env: ['PATH=/'],
  },
  root: { path: 'rootfs', readonly: false },
  hostname: 'ghostkeep-demo',
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
  ],
  linux: { namespaces: ['pid', 'ipc', 'uts', 'mount'].map(type => ({ type })) },
};
