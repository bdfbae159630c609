import type { Finding } from '../../../base/documents/generated/doctor.js';
import { errnoOf } from '../../../base/errors.js';
import { broken, type Examine, ok, warning } from '../look/finding.js';
import { type FoundHook, hooksFolders, hooksIn } from '../look/hooks-folders.js';
import { ask, findProgram, quoted } from '../look/programs.js';
import { reinstallCommand } from '../look/way-out.js';
import type { StageContext } from '../../try-hooks/stage-context.js';

const name = 'hooks.d';
/** Stages at which our hooks run. */
const wanted = ['prestart', 'poststop'];
const plugins = '/opt/nri/plugins';

/** Engines find our hooks, and no file in their folders keeps containers from starting. */
export const examineHooks: Examine = async context => ({
  findings: [...inFolders(context), ...(await inRuntimes(context))],
});

function inFolders(context: StageContext): Finding[] {
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
  const shown = ours.map(({ path, stages }) => `${path} (${stages.join(', ')})`).join(', ');
  const twice = ours.filter(({ path, startsPrestart }) => startsPrestart && !isNamedByUs(path));
  return [
    ok(name, `${shown}, for containers with annotations io.ghostkeep.*; ${says}`),
    ...twice.map(({ path }) => warning(name, `${path} starts our prestart hook as well: it may run twice`)),
  ];
}

const isNamedByUs = (path: string) => /\/ghostkeep-(prestart|poststop)\.json$/.test(path);

/** Podman starts no container while one of these files is malformed or names a program that is not there. */
function faultOf(context: StageContext, hook: FoundHook, readers: readonly string[]): Finding[] {
  const { path, fault, program } = hook;
  const mend = isNamedByUs(path)
    ? reinstallCommand(context)
    : `mv ${quoted(path)} ${quoted(`${path}.away`)}`;
  const who = readers.length > 0 ? readers.join(' and ') : 'an engine that reads it';
  if (fault !== undefined) return [broken(name, `${who} starts no container: ${fault}`, mend)];
  if (program === undefined || context.stage.isExecutable(program)) return [];
  return [
    broken(name, `${who} starts no container: ${path} names ${program}, which cannot be started`, mend),
  ];
}

/** Source: docs/hooks.md, who reads hooks.d. */
function readersOf(context: StageContext): string[] {
  const injector = namesIn(context, plugins).some(file => file.includes('hook-injector'));
  return [
    ...(findProgram(context, 'podman') ? ['podman'] : []),
    ...(findProgram(context, 'crio') ? ['CRI-O'] : []),
    ...(injector ? ['containerd (NRI hook-injector)'] : []),
  ];
}

function namesIn({ host }: StageContext, folder: string): string[] {
  try {
    return host.files.list(folder);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/** runc and crun read no hooks.d: they run the hooks in a bundle's config.json. `features` lists the stages. */
async function inRuntimes(context: StageContext): Promise<Finding[]> {
  const line = 'config.json';
  const all = await Promise.all(
    ['runc', 'crun'].map(async runtime => {
      const file = findProgram(context, runtime);
      if (file === undefined) return [];
      const { status, stdout } = await ask(context, [file, 'features']);
      const stages = status === 0 ? stagesOf(stdout) : undefined;
      if (stages === undefined) return [warning(line, `${runtime} cannot say which hooks it runs (features)`)];
      const missing = wanted.filter(stage => !stages.includes(stage));
      if (missing.length > 0) return [warning(line, `${runtime} runs no hooks of the stage ${missing.join(', ')}`)];
      return [ok(line, `${runtime} runs hooks of the stages ${stages.join(', ')}`)];
    }),
  );
  return all.flat();
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
