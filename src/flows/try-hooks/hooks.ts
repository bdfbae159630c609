/** Runs a bundle's hooks as a runtime does. Source: OCI runtime-spec, config.md, POSIX-platform Hooks. */

import path from 'node:path';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type {} from '../../base/host/host.js';
import type { Ended, Program } from '../../base/host/testbed.js';
import type { BundleHook } from '../../oci/bundle.js';
import type { OciState } from '../../oci/state.js';
import type { TriedBundle } from './bundle.js';
import type { TestbedContext } from './testbed-context.js';
import type { Timeline } from './timeline.js';

/** The limit for a hook whose stanza names no timeout. A runtime would wait for ever. */
const noTimeoutMs = 60_000;
/** The limit for every hook, even if its stanza names a longer timeout. */
export const longestHookMs = 600_000;

/**
 * The hooks that a trial calls, in the order in which a runtime calls them. Hooks that a runtime calls in the
 * container's namespaces are not tried.
 */
export const playedHooks = ['prestart', 'createRuntime', 'poststop'] as const;

export interface HookCall {
  /** The runtime's action: `create`, `checkpoint`. */
  moment: string;
  names: readonly (typeof playedHooks)[number][];
  state: Pick<OciState, 'id' | 'status' | 'pid'>;
}

/**
 * Calls hooks one after the other, in the stanza's order. The first that fails ends the calls, but the other
 * poststop hooks are called even after a failure. Source: OCI runtime-spec, runtime.md, Lifecycle.
 * @throws StepFailed
 */
export async function callHooks(
  context: TestbedContext,
  timeline: Timeline,
  bundle: TriedBundle,
  { moment, names, state }: HookCall,
): Promise<void> {
  const { ociVersion, annotations = {}, hooks = {} } = bundle.config;
  const document: OciState = { ociVersion, ...state, bundle: bundle.path, annotations };
  let failure: unknown;
  for (const name of names) {
    for (const hook of hooks[name] ?? []) {
      const started = context.host.clock();
      try {
        await timeline.step(
          name,
          () => callHook(context, bundle.path, name, hook, document),
          ({ stderr }) => ({
            what: `as at ${moment} (${state.status}): exit status 0 after ${Math.round(context.host.clock() - started)} ms`,
            status: 0,
            ...(stderr === '' ? {} : { stderr }),
          }),
        );
      } catch (error) {
        if (name !== 'poststop') throw error;
        failure ??= error;
      }
    }
  }
  if (failure !== undefined) throw failure;
}

async function callHook(
  context: TestbedContext,
  cwd: string,
  name: string,
  hook: BundleHook,
  state: OciState,
): Promise<Ended> {
  const who = `${name} hook ${path.basename(hook.path)} (${hook.path})`;
  const ended = await (await startHook(context, cwd, who, hook, state)).ended;
  if (ended.status === 0 && !ended.late) return ended;
  const failure = new GhostkeepError('HOOK_FAILED', hook.path, `${who} ${howItEnded(hook, ended)}`);
  throw Object.assign(failure, { status: ended.status, stderr: ended.stderr });
}

async function startHook(
  { testbed }: TestbedContext,
  cwd: string,
  who: string,
  hook: BundleHook,
  state: OciState,
): Promise<Program> {
  try {
    return await testbed.start({
      path: hook.path,
      argv: hook.args?.length ? hook.args : [hook.path],
      environment: Object.fromEntries((hook.env ?? []).map(splitVariable)),
      cwd,
      stdin: JSON.stringify(state),
      waitMs: waitMs(hook),
    });
  } catch (cause) {
    // The hook's file exists and may be executed, so the interpreter that its first line names must be
    // missing.
    const hint = errnoOf(cause) === 'ENOENT' ? '; is the program there that its first line names?' : '';
    throw new GhostkeepError(
      'HOOK_FAILED',
      hook.path,
      `${who} cannot be started: ${reasonOf(cause)}${hint}`,
      {
        cause,
      },
    );
  }
}

function howItEnded(hook: BundleHook, { late, status, signal }: Ended): string {
  if (late) {
    const limit = hook.timeout === undefined ? 'it names no timeout' : `its timeout is ${hook.timeout} s`;
    return `was killed after ${waitMs(hook) / 1000} s (${limit})`;
  }
  return status === undefined ? `was ended by ${signal}` : `ended with status ${status}`;
}

function waitMs({ timeout }: BundleHook): number {
  return timeout === undefined ? noTimeoutMs : Math.min(timeout * 1000, longestHookMs);
}

function splitVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
