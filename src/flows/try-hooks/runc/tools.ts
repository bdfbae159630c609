/** Finds runc and CRIU on this host, if they are there and may be used. */
import { reasonOf } from '../../../base/errors.js';
import type { TestbedContext } from '../testbed-context.js';

export interface RealTools {
  runc: string;
  /** The PATH in which runc finds CRIU. */
  path: string;
  /** Versions as text for the user. */
  versions: string;
}

const folders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];
const askWaitMs = 30_000;

/** @returns the tools, or one line that says why there are none */
export async function findRealTools(context: TestbedContext, path: string): Promise<RealTools | string> {
  const { host, testbed } = context;
  if (host.uid() !== 0) return 'it needs root';
  const searched = [...path.split(':').filter(folder => folder.startsWith('/')), ...folders];
  const find = (name: string) =>
    searched.map(folder => `${folder}/${name}`).find(file => testbed.isExecutable(file));
  const [runc, criu] = [find('runc'), find('criu')];
  const missing = [runc === undefined ? 'runc' : '', criu === undefined ? 'criu' : ''].filter(Boolean);
  if (runc === undefined || criu === undefined) return `${missing.join(' and ')} cannot be found`;
  const versions: string[] = [];
  for (const [argv, pattern] of [
    [[runc, '--version'], /^runc version (\S+)/m],
    [[criu, '--version'], /^Version: (\S+)/m],
    [[criu, 'check'], undefined],
  ] as const) {
    const answer = await ask(context, argv);
    if (typeof answer === 'string') return answer;
    if (pattern) versions.push(pattern.exec(answer.stdout)?.[1] ?? 'of an unknown version');
  }
  return { runc, path: searched.join(':'), versions: `runc ${versions[0]}, CRIU ${versions[1]}` };
}

async function ask({ host }: TestbedContext, argv: readonly string[]): Promise<{ stdout: string } | string> {
  try {
    const { status, stdout, stderr } = await host.commands.output(argv, askWaitMs);
    if (status === 0) return { stdout };
    const reason = stderr.trim().split('\n').at(-1) ?? '';
    return `\`${argv.join(' ')}\` ends with status ${status}${reason === '' ? '' : `: ${reason}`}`;
  } catch (error) {
    return `\`${argv.join(' ')}\`: ${reasonOf(error)}`;
  }
}
