import { basename, dirname } from 'node:path';
import type { Finding } from '../../../base/documents/generated/doctor.js';
import { errnoOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { broken, type Examine, ok, warning } from '../look/finding.js';
import { type FoundHook, hooksFolders, hooksIn } from '../look/hooks-folders.js';
import { ask, findProgram, quoted } from '../look/programs.js';
import { reinstallCommand } from '../look/way-out.js';

const name = 'hooks.d';
/** Stages at which our hooks run. */
const wanted = ['prestart', 'poststop'];
/** Lines about the hooks in the config.json of one container have this name. */
const own = 'config.json';
const plugins = '/opt/nri/plugins';

/** Do engines find our hooks, and does any file in their folders keep containers from starting? */
export const examineHooks: Examine = async context => ({
  findings: [...inFolders(context), ...(await inRuntimes(context))],
});

function inFolders(context: TestbedContext): Finding[] {
  const readers = readersOf(context);
  const all = hooksFolders(context).flatMap(folder => hooksIn(context, folder));
  const faults = all.flatMap(hook => faultOf(context, hook, readers));
  const ours = all.filter(({ isOurs, fault }) => isOurs && fault === undefined);
  if (faults.length > 0) return faults;
  const says = `read by ${readers.length > 0 ? readers.join(', ') : 'no engine of this host'}`;
  if (ours.length === 0) {
    const missing = `no file of ghostkeep, so annotations set nothing; ${says}`;
    return [warning(name, missing, reinstallCommand(context))];
  }
  const folders = [...new Set(ours.map(({ path }) => dirname(path)))];
  const shown = folders.map(folder => {
    const names = ours.filter(({ path }) => dirname(path) === folder);
    return `${folder}: ${names.map(({ path, stages }) => `${basename(path)} (${stages.join(', ')})`).join(', ')}`;
  });
  const twice = ours.filter(({ path, startsPrestart }) => startsPrestart && !isNamedByUs(path));
  return [
    ok(name, `${shown.join(', ')}, for annotations io.ghostkeep.*; ${says}`),
    ...twice.map(({ path }) => warning(name, `${path} starts our prestart hook as well: it may run twice`)),
  ];
}

const isNamedByUs = (path: string) => /\/ghostkeep-(prestart|poststop)\.json$/.test(path);

/**
 * Podman starts no container while a file in its folders is malformed or names a program that is not there.
 */
function faultOf(context: TestbedContext, hook: FoundHook, readers: readonly string[]): Finding[] {
  const { path, fault, program } = hook;
  const mend = isNamedByUs(path) ? reinstallCommand(context) : `mv ${quoted(path)} ${quoted(`${path}.away`)}`;
  const who = readers.length > 0 ? readers.join(' and ') : 'an engine that reads it';
  if (fault !== undefined) return [broken(name, `${who} starts no container: ${fault}`, mend)];
  if (program === undefined || context.testbed.isExecutable(program)) return [];
  return [
    broken(name, `${who} starts no container: ${path} names ${program}, which cannot be started`, mend),
  ];
}

/** Source: docs/hooks.md, who reads hooks.d. */
function readersOf(context: TestbedContext): string[] {
  const injector = namesIn(context, plugins).some(file => file.includes('hook-injector'));
  return [
    ...(findProgram(context, 'podman') ? ['podman'] : []),
    ...(findProgram(context, 'crio') ? ['CRI-O'] : []),
    ...(injector ? ['containerd (NRI hook-injector)'] : []),
  ];
}

function namesIn({ host }: TestbedContext, folder: string): string[] {
  try {
    return host.files.list(folder);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/**
 * runc and crun read no hooks.d: they run the hooks in a bundle's config.json. `features` lists the stages.
 */
async function inRuntimes(context: TestbedContext): Promise<Finding[]> {
  const able: string[] = [];
  const findings: Finding[] = [];
  for (const runtime of ['runc', 'crun']) {
    const file = findProgram(context, runtime);
    if (file === undefined) continue;
    const { status, stdout } = await ask(context, [file, 'features']);
    const stages = status === 0 ? stagesOf(stdout) : undefined;
    const missing = wanted.filter(stage => !stages?.includes(stage));
    if (stages === undefined)
      findings.push(warning(own, `${runtime} does not say which hooks it runs (features)`));
    else if (missing.length > 0)
      findings.push(warning(own, `${runtime} runs no hooks of ${missing.join(', ')}`));
    else able.push(runtime);
  }
  if (able.length === 0) return findings;
  const says = `hooks in it are run by ${able.join(' and ')}, also of the stages ${wanted.join(' and ')}`;
  return [ok(own, says), ...findings];
}

/** Source: OCI runtime-spec, features.md. */
function stagesOf(text: string): string[] | undefined {
  try {
    const { hooks } = JSON.parse(text) as { hooks?: unknown };
    return Array.isArray(hooks) ? hooks.filter(stage => typeof stage === 'string') : undefined;
  } catch {
    return undefined;
  }
}
