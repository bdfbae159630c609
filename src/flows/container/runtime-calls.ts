/** Calls of a runtime other than its checkpoint: `state`, `pause` and `resume`. */
import { GhostkeepError, translate } from '../../base/errors.js';
import type { RuntimeCommand } from '../../oci/command-line.js';
import { type OciState, parseState } from '../../oci/state.js';
import type { Context } from '../context.js';

/** The longest time that `state`, `pause` and `resume` of a runtime may take. */
export const runtimeWaitMs = 30_000;

export type Runtime = Pick<RuntimeCommand, 'program' | 'globals' | 'container'> &
  Partial<Pick<RuntimeCommand, 'cwd'>>;

export async function stateOf(context: Context, command: Runtime): Promise<{ pid: number; status: string }> {
  const { container, program } = command;
  const call = runtimeCall(command, 'state');
  const answer = await context.host.commands.output(call, runtimeWaitMs, {}, command.cwd).catch(cause => {
    throw translate(cause, 'IO', program, `cannot run ${program}`);
  });
  if (answer.status !== 0)
    throw new GhostkeepError(
      'NOT_FOUND',
      container,
      `cannot find container ${container}: ${answer.stderr.trim() || `\`${call.join(' ')}\` ended with status ${answer.status}`}`,
    );
  const { pid, status } = readState(command, answer.stdout);
  if (pid) return { pid, status };
  throw new GhostkeepError(
    'NOT_FOUND',
    container,
    `cannot checkpoint ${container}: it is ${status} and has no process; a checkpoint needs one that runs: start it again first`,
  );
}

function readState(command: Runtime, text: string): OciState {
  return parseState(text, `from \`${runtimeCall(command, 'state').join(' ')}\``);
}

/**
 * Resumes the container. Fails only if the container is still paused afterwards: the runtime may have resumed
 * it itself, and then the call `resume` fails.
 */
export async function resume(context: Context, command: Runtime): Promise<void> {
  const { commands } = context.host;
  const { status, stderr } = await commands.output(
    runtimeCall(command, 'resume'),
    runtimeWaitMs,
    {},
    command.cwd,
  );
  if (status === 0) return;
  if (!(await isPausedBy(context, command))) return;
  const call = runtimeCall(command, 'resume').join(' ');
  throw new GhostkeepError(
    'CHECKPOINT_FAILED',
    command.container,
    `cannot resume ${command.container}, it is still paused: ${stderr.trim()}; try \`${call}\``,
  );
}

export function runtimeCall(command: Runtime, verb: string): string[] {
  return [command.program, ...command.globals, verb, command.container];
}

/** Also false for a container that the runtime does not know. */
export async function isPausedBy(context: Context, command: Runtime): Promise<boolean> {
  const { status, stdout } = await context.host.commands.output(
    runtimeCall(command, 'state'),
    runtimeWaitMs,
    {},
    command.cwd,
  );
  return status === 0 && readState(command, stdout).status === 'paused';
}
