/**
 * The standalone hook test runner. It plays the part of a runtime and of CRIU; everything else is real: the
 * processes, the hooks with the state that a runtime would send, poststop's dump and seal, and the restored
 * files.
 */

import type { Manifest } from '../../base/documents/generated/manifest.js';
import type { Trial, TrialGhost, TrialStep } from '../../base/documents/generated/trial.js';
import { counted } from '../../base/text/counted.js';
import { readManifest } from '../../image/manifest.js';
import { closeSession, writeSession } from '../container/sessions.js';
import { makeBundle, readBundle, type TriedBundle } from './bundle.js';
import { callHooks, type HookCall } from './hooks.js';
import { listNotTried } from './not-tried.js';
import { recordImages } from './record.js';
import { examine } from './restored/examine.js';
import { canSeeMappings, closeOriginals, type Original, pinOriginals } from './restored/originals.js';
import { closeRevived, type Revived, revive } from './restored/revive.js';
import { toRow } from './restored/row.js';
import type { TestbedContext } from './testbed-context.js';
import { StepFailed, Timeline } from './timeline.js';
import { freeze, kill, startWorkload, type Workload } from './workload.js';

/** The kinds of ghosts that the workload holds. */
const kinds = [
  'dense',
  'hole-1g-8k',
  'alternate-8m',
  'hole-64m-4m',
  'deleted-exe',
  'small',
  'shared',
  'tail-odd',
];
/** This ghost has only a mapping and no descriptor, so it takes privilege to see it. */
const mappedOnly = 'mapped';

export interface TrialRequest {
  /** The user's bundle; without one, ghostkeep's own hooks are tried. */
  bundle?: string;
  keep: boolean;
  onStep: (step: TrialStep) => void;
}

export async function tryHooks(context: TestbedContext, request: TrialRequest): Promise<Trial> {
  const scratch = context.testbed.makeScratch();
  const timeline = new Timeline(context, request.onStep);
  const seesMappings = canSeeMappings(context);
  const trial = new Attempt(
    context,
    timeline,
    scratch,
    seesMappings ? [...kinds.slice(0, 4), mappedOnly, ...kinds.slice(4)] : kinds,
  );
  try {
    await trial.run(request.bundle);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
  } finally {
    trial.close();
  }
  const failed = timeline.steps.some(step => step.failed);
  return {
    ok: !failed && trial.ghosts.length > 0 && trial.ghosts.every(({ result }) => result === 'equal'),
    bundle: trial.bundle?.path ?? request.bundle ?? scratch,
    ...(request.keep ? { kept: scratch } : {}),
    timeline: timeline.steps,
    ghosts: trial.ghosts,
    notTried: listNotTried(context, trial.bundle, seesMappings),
  };
}

class Attempt {
  ghosts: TrialGhost[] = [];
  bundle: TriedBundle | undefined;
  readonly #id: string;
  readonly #images: string;
  #originals: Original[] = [];
  #revived: Revived[] = [];

  constructor(
    private readonly context: TestbedContext,
    private readonly timeline: Timeline,
    private readonly scratch: string,
    private readonly kinds: readonly string[],
  ) {
    this.#id = scratch.slice(scratch.lastIndexOf('/') + 1);
    this.#images = `${scratch}/images`;
    context.testbed.atEnd(() => closeSession(context, this.#id));
  }

  async run(bundleFolder: string | undefined): Promise<void> {
    const { context, timeline } = this;
    const bundle = await timeline.step(
      'bundle',
      () =>
        bundleFolder === undefined
          ? makeBundle(context, `${this.scratch}/bundle`)
          : readBundle(context, bundleFolder),
      ({ path, config: { hooks = {} } }) => `${path}, hooks ${Object.keys(hooks).join(', ')}`,
    );
    this.bundle = bundle;
    const workload = await timeline.step(
      'start',
      () => startWorkload(context, `${this.scratch}/data`, this.kinds),
      ({ pid }) => `the workload, process ${pid}, holds ${counted(this.kinds.length, 'file')} without a name`,
    );
    await this.#startHooks(bundle, 'create', 'creating', workload.pid);
    const pids = await timeline.step(
      'freeze',
      () => freeze(context, workload.pid),
      found => `${counted(found.length, 'process', 'processes')} stopped`,
    );
    await timeline.step(
      'pin',
      () => {
        this.#originals = pinOriginals(context, workload);
      },
      () => 'the originals are open here too, to compare with',
    );
    const manifest = await this.#checkpoint(bundle, workload);
    await timeline.step(
      'kill',
      () => kill(context, pids),
      () => `process ${pids.join(', ')}; the images are all there is`,
    );
    await this.#restore(bundle, workload, manifest);
    await this.#hooks(bundle, 'delete', ['poststop'], 'stopped');
  }

  /** Called after a failure, too, and may be called more than once. */
  close(): void {
    closeRevived(this.context, this.#revived);
    closeOriginals(this.context, this.#originals);
    this.#revived = [];
    this.#originals = [];
  }

  /** The processes are frozen and alive, so poststop finds, dumps and seals the ghosts itself. */
  async #checkpoint(bundle: TriedBundle, workload: Workload): Promise<Manifest> {
    const { context, timeline } = this;
    const session = await timeline.step(
      'record',
      () => recordImages(context, bundle, this.#id, this.#images),
      () => `the session names ${this.#images}, as the gate would write it`,
    );
    await this.#hooks(bundle, 'checkpoint', ['poststop'], 'stopped', workload.pid);
    return timeline.step(
      'sealed',
      () => {
        const manifest = readManifest(context.host.files, this.#images);
        // poststop has closed the session. A restore without CRIU has no descriptor that shows prestart the
        // image directory, so we write the session again for it.
        const { pid: _, startTime: __, ...stopped } = session;
        writeSession(context, stopped);
        return manifest;
      },
      ({ ghosts, tool }) => `manifest of ${counted(ghosts.length, 'ghost')} by ${tool}`,
    );
  }

  async #restore(bundle: TriedBundle, workload: Workload, manifest: Manifest): Promise<void> {
    const { context, timeline } = this;
    await this.#startHooks(bundle, 'restore', 'stopped');
    await timeline.step(
      'restore',
      async () => {
        for (const original of this.#originals)
          this.#revived.push(
            await revive(context, this.#images, `${this.scratch}/restored`, manifest, original),
          );
      },
      () => `${counted(this.#revived.length, 'file')} made again, opened as they were, names removed`,
    );
    const examined = await timeline.step(
      'examine',
      () => examine(context, workload, this.#revived),
      ({ right, wrong }) =>
        `a new process with the same descriptors: ${sum(right.values())} checks right, ${[...wrong.values()].flat().length} wrong`,
    );
    this.ghosts = this.#revived.map(one => toRow(one, examined));
  }

  /**
   * If one of these hooks fails, the container is stopped and deleted. Source: OCI runtime-spec, runtime.md,
   * Lifecycle.
   */
  async #startHooks(
    bundle: TriedBundle,
    moment: string,
    status: 'creating' | 'stopped',
    pid?: number,
  ): Promise<void> {
    const { context, timeline } = this;
    try {
      await this.#hooks(bundle, moment, ['prestart', 'createRuntime'], status, pid);
    } catch (error) {
      if (pid !== undefined) {
        const pids = context.host.processes.tree(pid);
        await timeline.step(
          'kill',
          () => kill(context, pids),
          () => `process ${pids.join(', ')}: a runtime stops a container that a hook refuses`,
        );
      }
      await this.#hooks(bundle, 'delete', ['poststop'], 'stopped');
      throw error;
    }
  }

  async #hooks(
    bundle: TriedBundle,
    moment: string,
    names: HookCall['names'],
    status: 'creating' | 'stopped',
    pid?: number,
  ): Promise<void> {
    const state = { id: this.#id, status, ...(pid === undefined ? {} : { pid }) };
    await callHooks(this.context, this.timeline, bundle, { moment, names, state });
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
