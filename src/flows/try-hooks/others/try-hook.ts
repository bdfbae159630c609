/** Drives a hook of somebody else through the life of a container, and says what it gets wrong. */

import { bounds } from '../../../base/bounds.js';
import type { HookTrial, TriedCall } from '../../../base/documents/generated/hook-trial.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../../base/errors.js';
import type { Ended } from '../../../base/host/testbed.js';
import type { BundleHook } from '../../../oci/bundle.js';
import { parseHooksD } from '../../../oci/hooks-d.js';
import type { TestbedContext } from '../testbed-context.js';
import { type Call, callsOf, type PlayedStage } from './calls.js';

export interface HookRequest {
  /** A program, or a hooks.d file that names one. */
  hook: string;
  /** Call the hook only at these stages; by default at those of the hooks.d file, or at each. */
  stages?: readonly PlayedStage[];
  /** Arguments after the program's name. A hooks.d file has its own, and then these are not used. */
  args: readonly string[];
  timeoutSeconds?: number;
  onCall: (call: TriedCall) => void;
}

const allStages: readonly PlayedStage[] = ['prestart', 'createRuntime', 'poststop'];
/** The limit for a hook whose stanza names no timeout. A runtime would wait for ever. */
const defaultTimeoutSeconds = 30;
const deathMs = 20;
/** A slower hook is reported, because every start of a container waits for its hooks. */
const slowMs = 1000;

/**
 * Calls the hook as runtimes do, and lists what it gets wrong in each call.
 * @throws BAD_INPUT for a hooks.d file that is not one, or has none of these stages; NOT_FOUND if the program
 * is not there
 */
export async function tryHook(context: TestbedContext, request: HookRequest): Promise<HookTrial> {
  const { testbed } = context;
  const { hook, stages } = readHook(context, request);
  const scratch = testbed.makeScratch();
  const bundle = `${scratch}/bundle`;
  testbed.write(`${bundle}/config.json`, JSON.stringify({ ociVersion: '1.2.0', hooks: {} }), 0o644);
  const id = scratch.slice(scratch.lastIndexOf('/') + 1);
  const mark = `${scratch}/run-as-code`;
  const calls: TriedCall[] = [];
  for (const call of callsOf({ id, bundle, mark, pid: 0 }, stages)) {
    const tried = await tryCall(context, { call, hook, mark });
    calls.push(tried);
    request.onCall(tried);
  }
  return { ok: calls.every(({ wrong }) => wrong.length === 0), hook: hook.path, calls };
}

function readHook(
  { host: { files } }: TestbedContext,
  { hook, stages, args, timeoutSeconds }: HookRequest,
): { hook: BundleHook; stages: readonly PlayedStage[] } {
  const path = realPath(files, hook);
  const timeout = timeoutSeconds === undefined ? {} : { timeout: timeoutSeconds };
  if (!path.endsWith('.json'))
    return { hook: { path, args: [path, ...args], ...timeout }, stages: stages ?? allStages };
  const document = parseHooksD(files.read(path, bounds.bundle).toString('utf8'), path);
  const named = allStages.filter(each => (document.stages as readonly string[]).includes(each));
  if (stages === undefined && named.length === 0)
    throw new GhostkeepError(
      'BAD_INPUT',
      path,
      `cannot try ${path}: it is called at ${document.stages.join(', ') || 'no stage'}, and only ${allStages.join(', ')} can be tried; choose one with --stage`,
    );
  return { hook: { ...document.hook, ...timeout }, stages: stages ?? named };
}

function realPath(files: TestbedContext['host']['files'], hook: string): string {
  try {
    return files.realPath(hook);
  } catch (error) {
    throw translate(error, 'NOT_FOUND', hook, `cannot try the hook ${hook}`);
  }
}

interface Attempt {
  call: Call;
  hook: BundleHook;
  mark: string;
}

/** Makes one call. In each call a new process stands for the container's, because a hook may end it. */
async function tryCall(context: TestbedContext, { call, hook, mark }: Attempt): Promise<TriedCall> {
  const { host, testbed } = context;
  const { as, stage: at, point } = call;
  const hasProcess = 'pid' in call.state && call.state.status === 'creating';
  const container = hasProcess ? await startContainer(context) : undefined;
  const state = container === undefined ? call.state : { ...call.state, pid: container.pid };
  const start = host.clock();
  let wrong: string[] = [];
  let stderr = '';
  try {
    const started = await testbed.start({
      path: hook.path,
      argv: hook.args?.length ? hook.args : [hook.path],
      environment: Object.fromEntries((hook.env ?? []).map(splitVariable)),
      cwd: call.cwd,
      stdin: JSON.stringify(state),
      waitMs: waitSeconds(hook) * 1000,
    });
    const ended = await started.ended;
    stderr = ended.stderr;
    wrong = faultsOf(hook, ended);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    wrong.push(`it cannot be started: ${reasonOf(error)}`);
  }
  const ms = Math.round(host.clock() - start);
  if (wrong.length === 0 && ms > slowMs)
    wrong.push(`it took ${(ms / 1000).toFixed(1)} s, and each container waits for it`);
  if (container !== undefined) {
    // If the hook has killed the process, it may still be there for a moment.
    await testbed.wait(deathMs);
    // If the process is gone, another one may have its pid.
    const runState = container.isGone ? undefined : testbed.runState(container.pid);
    if (runState === undefined || 'ZXTt'.includes(runState))
      wrong.push(
        `the container's process ${runState === 'T' || runState === 't' ? 'was stopped' : 'is gone'}`,
      );
    if (!container.isGone) testbed.signal(container.pid, 'SIGKILL');
  }
  if (host.files.exists(mark)) {
    wrong.push('it ran text of the state as code: whoever sets an annotation is root on this host');
    host.files.remove(mark);
  }
  return { as, stage: at, point, ms, wrong, ...(stderr === '' ? {} : { stderr }) };
}

async function startContainer({ testbed }: TestbedContext): Promise<{ pid: number; isGone: boolean }> {
  const { pid, ended } = await testbed.start({
    path: '/bin/sleep',
    argv: ['sleep', '3600'],
    environment: {},
    cwd: '/',
    waitMs: 3600_000,
  });
  const container = { pid, isGone: false };
  void ended.then(() => {
    container.isGone = true;
  });
  return container;
}

function faultsOf(hook: BundleHook, { status, signal, late, lingers }: Ended): string[] {
  if (late) return [`it was killed after ${waitSeconds(hook)} s`];
  const faults = [];
  if (status !== 0)
    faults.push(
      status === undefined
        ? `it was ended by ${signal}`
        : `it ended with status ${status}, which ends the container`,
    );
  if (lingers)
    faults.push(
      'it left a process behind that has its stderr or stdout open, for which a runtime waits; give such a process files of its own',
    );
  return faults;
}

const waitSeconds = ({ timeout = defaultTimeoutSeconds }: BundleHook) => timeout;

function splitVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
