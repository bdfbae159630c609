/**
 * Dumps and restores a process of our own. It holds a file without a name, which CRIU alone refuses. CRIU is
 * only ever given this process, and everything lies in a scratch folder that is removed at the end.
 */
import { bounds } from '../../../base/bounds.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import { isInMemory } from '../../../base/filesystems.js';
import type { Program } from '../../../base/host/testbed.js';
import { manifestExists } from '../../../image/manifest.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { findWorkload } from '../../try-hooks/workload.js';
import { mountOf } from '../look/mounts.js';
import { variable } from '../look/programs.js';

/**
 * CRIU's own switch for tests, FI_NO_BREAKPOINTS (criu/include/fault-injection.h). With it CRIU controls a
 * process by ptrace(2) alone. Without it CRIU waits for ever on some virtual machines, which set a hardware
 * breakpoint and never stop at it.
 */
export const withoutBreakpoints = 'CRIU_FAULT=130';

export type CriuTrial =
  | { worked: true; ms: number }
  | { step: Step; reason: string; isOurs: boolean; onlyWithoutBreakpoints: boolean };

type Step = 'started' | 'dumped' | 'restored';

/** 1 GiB of hole and 2 MiB of data: more than CRIU's limit of 1 MiB. */
const kind = 'hole-1g-2m';
/**
 * Folders that are usually on a disk. CRIU reads a file's first page in search of a build id. On a tmpfs that
 * fills a hole, and the workload notices.
 */
const folders = ['/var/tmp', '/var/lib', '/root'];
const neededBytes = 64n << 20n;
/** A dump takes less than a second on a host that has nothing else to do. */
const [commandWaitMs, appearWaitMs, lookEveryMs] = [20_000, 10_000, 20];
const longestLifeMs = 120_000;

class Failed extends Error {
  constructor(
    readonly step: Step,
    reason: string,
    readonly isLate = false,
  ) {
    super(reason);
  }
}

/** Needs root. It takes less than 90 seconds, whatever CRIU does. */
export async function tryCriu(context: TestbedContext, criu: string): Promise<CriuTrial> {
  const began = context.host.clock();
  try {
    await play(context, criu, {});
    return { worked: true, ms: context.host.clock() - began };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const isHung = error.isLate && error.step === 'dumped' && variable(context, 'CRIU_FAULT') === undefined;
    const onlyWithoutBreakpoints = isHung && (await worksWithout(context, criu));
    const isOurs = /ghostkeep|the gate/.test(error.message);
    return { step: error.step, reason: error.message, isOurs, onlyWithoutBreakpoints };
  }
}

async function worksWithout(context: TestbedContext, criu: string): Promise<boolean> {
  try {
    const [name = '', value = ''] = withoutBreakpoints.split('=');
    await play(context, criu, { [name]: value });
    return true;
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return false;
  }
}

async function play(
  context: TestbedContext,
  criu: string,
  environment: Record<string, string>,
): Promise<void> {
  const { host, testbed } = context;
  const scratch = testbed.makeScratch(findFolder(context));
  const [data, images] = [`${scratch}/data`, `${scratch}/images`];
  host.files.makeDirectory(data);
  host.files.makeDirectory(images);
  const run = async (step: Step, log: string, words: readonly string[]) => {
    const common = ['--images-dir', images, '-v4', '--log-file', log, '--manage-cgroups=ignore'];
    const argv = [criu, ...words, ...common];
    const began = host.clock();
    const { status, stderr } = await host.commands.output(argv, commandWaitMs, environment);
    if (status === 0) return;
    const isLate = host.clock() - began >= commandWaitMs;
    const reason = isLate ? `CRIU has not ended after ${commandWaitMs / 1000} s` : undefined;
    throw new Failed(step, reason ?? reasonIn(context, `${images}/${log}`) ?? stderr.trim(), isLate);
  };
  const program = await startHolder(context, data);
  try {
    await run('dumped', 'dump.log', ['dump', '--tree', String(program.pid)]);
    if (!manifestExists(host.files, images))
      throw new Failed('dumped', 'CRIU has dumped it without the gate, which it has not loaded');
  } finally {
    testbed.signal(program.pid, 'SIGKILL');
    await program.ended;
  }
  try {
    await run('restored', 'restore.log', ['restore', '--restore-detached', '--pidfile', `${scratch}/pid`]);
  } finally {
    adopt(context, program.pid, data);
  }
  await verdict(context, data);
  testbed.signal(program.pid, 'SIGKILL');
}

/** The restored process has the pid of the one that was dumped, unless somebody else has that pid by now. */
function adopt({ host, testbed }: TestbedContext, pid: number, data: string): void {
  try {
    if (host.processes.commandLine(pid).includes(data)) testbed.adopt(pid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/**
 * Starts the process that holds the file. Its standard streams must not be pipes to us, because CRIU cannot
 * restore those.
 */
async function startHolder(context: TestbedContext, data: string): Promise<Program> {
  const { host, testbed } = context;
  const workload = findWorkload(context);
  const running = await testbed.start({
    path: '/bin/sh',
    argv: ['/bin/sh', '-c', 'exec "$@" </dev/null >/dev/null 2>&1', 'sh', workload, 'run', data, kind],
    environment: {},
    cwd: data,
    waitMs: longestLifeMs,
  });
  if (await appears(context, () => host.files.exists(`${data}/ready`))) return running;
  testbed.signal(running.pid, 'SIGKILL');
  throw new Failed('started', `${workload} has made no file after ${appearWaitMs / 1000} s`);
}

/** Asks the restored process to check its file itself. */
async function verdict(context: TestbedContext, data: string): Promise<void> {
  const { files } = context.host;
  context.testbed.write(`${data}/verify`, '', 0o600);
  const read = () => files.readIfThere(`${data}/verdict`, bounds.ownParts)?.toString('utf8') ?? '';
  if (!(await appears(context, () => read().endsWith('end\n'))))
    throw new Failed('restored', 'the restored process does not go on');
  const wrong = read().match(/^not ok .*/m)?.[0];
  if (wrong !== undefined) throw new Failed('restored', `its file has changed: ${wrong}`);
}

async function appears({ host, testbed }: TestbedContext, isSo: () => boolean): Promise<boolean> {
  const until = host.clock() + appearWaitMs;
  while (!isSo()) {
    if (host.clock() > until) return false;
    await testbed.wait(lookEveryMs);
  }
  return true;
}

/**
 * The reason for a failure in CRIU's log. A line of ours says more than CRIU's own, and the first of CRIU's
 * lines is the cause of the others.
 */
function reasonIn({ host }: TestbedContext, log: string): string | undefined {
  try {
    const text = host.files.readIfThere(log, bounds.ownParts)?.toString('utf8') ?? '';
    const errors = [
      ...text.matchAll(/^\([\d.]+\)\s*(?:\d+:\s*)?(?:Error \([^)]*\): |(?=ghostkeep: ))(.*)$/gm),
    ];
    const lines = errors.map(([, line = '']) => line);
    return lines.find(line => /^ghostkeep: .*(cannot|refus|fail)/i.test(line)) ?? lines[0];
  } catch (error) {
    return reasonOf(error);
  }
}

/** A folder on a disk that has room. */
function findFolder(context: TestbedContext): string {
  const { files } = context.host;
  const isFit = (folder: string) => {
    const real = files.realPath(folder);
    const mount = mountOf(context, real);
    const free = files.freeBytes(real);
    return !isInMemory(mount?.filesystem ?? '') && !mount?.readOnly && (free ?? neededBytes) >= neededBytes;
  };
  return folders.find(isFit) ?? '/var/tmp';
}
