/** Finds the programs of the host where runtimes and engines find them, and asks them who they are. */
import { reasonOf } from '../../../base/errors.js';
import type { StageContext } from '../../try-hooks/stage-context.js';

/** Services are often started with a short PATH, so these are searched as well. */
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const askWaitMs = 10_000;
/** A version is one line. More of it is no answer. */
const longestAnswer = 1 << 20;

/** A variable of the environment that ghostkeep itself was started with. */
export function variable({ host }: StageContext, name: string): string | undefined {
  return host.processes.environment(host.processes.self(), name);
}

/** @returns the absolute path; undefined where no folder has an executable file of this name */
export function findProgram(context: StageContext, name: string): string | undefined {
  const own = (variable(context, 'PATH') ?? '').split(':').filter(folder => folder.startsWith('/'));
  return [...own, ...folders]
    .map(folder => `${folder.replace(/\/+$/, '')}/${name}`)
    .find(file => context.stage.isExecutable(file));
}

export interface Answer {
  status: number;
  stdout: string;
  /** Why it failed, for people; empty where it said nothing. */
  reason: string;
}

/** Runs a program to its end, or for ten seconds. Never rejects. */
export async function ask({ host }: StageContext, argv: readonly string[]): Promise<Answer> {
  try {
    const { status, stdout, stderr } = await host.commands.output(argv, askWaitMs);
    const last = stderr.trim().split('\n').at(-1) ?? '';
    return { status, stdout: stdout.slice(0, longestAnswer), reason: last || `exit status ${status}` };
  } catch (error) {
    return { status: 1, stdout: '', reason: reasonOf(error) };
  }
}

/** A word for a shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
