/** The folders of hooks.d, and the files in them, as Podman and CRI-O read them. Source: oci-hooks(5). */
import { bounds } from '../../../base/bounds.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../../base/errors.js';
import { parseHooksD } from '../../../oci/hooks-d.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

export interface FoundHook {
  path: string;
  /** Why an engine cannot use it. */
  fault?: string;
  program?: string;
  stages: string[];
  isOurs: boolean;
  startsPrestart: boolean;
}

const standard = ['/usr/share/containers/oci/hooks.d', '/etc/containers/oci/hooks.d'];
/** Settings of engines that may name other folders (`hooks_dir`). */
const settings = [
  '/usr/share/containers/containers.conf',
  '/etc/containers/containers.conf',
  '/etc/crio/crio.conf',
];
const mostFiles = 1000;

export function hooksFolders(context: TestbedContext): string[] {
  const named = settings.flatMap(file => namedIn(readText(context, file) ?? ''));
  return [...new Set([...standard, ...named])];
}

/** TOML: `hooks_dir = ["/a", "/b"]`, on one line or on several. */
function namedIn(text: string): string[] {
  const [, list = ''] = /^[ \t]*hooks_dir[ \t]*=[ \t]*\[([^\]]*)\]/m.exec(text) ?? [];
  return [...list.matchAll(/"(\/[^"\n]*)"/g)].map(([, folder]) => folder as string);
}

export function hooksIn(context: TestbedContext, folder: string): FoundHook[] {
  let names: string[];
  try {
    names = context.host.files.list(folder);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
  return names
    .filter(name => name.endsWith('.json'))
    .sort()
    .slice(0, mostFiles)
    .map(name => describe(context, `${folder}/${name}`));
}

function describe(context: TestbedContext, path: string): FoundHook {
  const nothing = { path, stages: [], isOurs: false, startsPrestart: false };
  try {
    const { files } = context.host;
    const text = files.read(files.realPath(path), bounds.policy).toString('utf8');
    const { hook, stages } = parseHooksD(text, path);
    const words = [hook.path, ...(hook.args ?? [])];
    return {
      path,
      program: hook.path,
      stages: [...stages],
      isOurs: words.some(word => /\/ghostkeep\/(hook|prestart|poststop)$/.test(word)),
      startsPrestart: words.some(word => word.endsWith('/ghostkeep/prestart')),
    };
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    return { ...nothing, fault: reasonOf(error) };
  }
}

function readText({ host }: TestbedContext, path: string): string | undefined {
  try {
    return host.files.readIfThere(path, bounds.policy)?.toString('utf8');
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    return undefined;
  }
}
