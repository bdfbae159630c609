/** Finds the programs of the host where runtimes and engines find them, and asks them who they are. */
import { reasonOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

/** Folders that are searched besides those in PATH, because services are often started with a short PATH. */
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const askWaitMs = 10_000;
/** The rest of a longer answer is cut off. A version is one line. */
const longestAnswer = 1 << 20;

/** A variable of the environment that ghostkeep itself was started with. */
export function variable({ host }: TestbedContext, name: string): string | undefined {
  return host.processes.environment(host.processes.self(), name);
}

/** @returns the absolute path; undefined where no folder has an executable file of this name */
export function findProgram(context: TestbedContext, name: string): string | undefined {
  return placesOf(context, name).find(file => context.testbed.isExecutable(file));
}

/** @returns a file of this name that is in one of the folders, and need not be executable */
export function findFile(context: TestbedContext, name: string): string | undefined {
  return placesOf(context, name).find(file => context.host.files.exists(file));
}

function placesOf(context: TestbedContext, name: string): string[] {
  const own = (variable(context, 'PATH') ?? '').split(':').filter(folder => folder.startsWith('/'));
  return [...own, ...folders].map(folder => `${folder.replace(/\/+$/, '')}/${name}`);
}

export interface Answer {
  status: number;
  stdout: string;
  /** The reason why it failed, for people: the last line of its standard error. */
  reason: string;
  /** The first line of its standard error. The loader and the kernel say nothing after it; a program may. */
  first: string;
}

/** Messages are compared and shown, so they must not be translated. */
const inEnglish = { LC_ALL: 'C' };

/** Runs a program to its end, or for ten seconds. Never rejects. */
export async function ask({ host }: TestbedContext, argv: readonly string[]): Promise<Answer> {
  try {
    const { status, stdout, stderr } = await host.commands.output(argv, askWaitMs, inEnglish);
    const [first = '', ...others] = stderr.slice(0, longestAnswer).trim().split('\n');
    const silent = `exit status ${status}`;
    const reason = (others.at(-1) ?? first) || silent;
    return { status, stdout: stdout.slice(0, longestAnswer), reason, first: first || silent };
  } catch (error) {
    const reason = reasonOf(error);
    return { status: 1, stdout: '', reason, first: reason };
  }
}

/** A word for a shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
