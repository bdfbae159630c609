import type { Finding } from '../../../base/documents/generated/doctor.js';
import { errnoOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { annotationsNaming } from '../look/bundles.js';
import { effectiveOptions, optionsFiles } from '../look/criu-options.js';
import { broken, type Examine, ok, warning } from '../look/finding.js';
import { quoted } from '../look/programs.js';

const name = 'criu options';
const mostShown = 20;
/** These programs start CRIU, and CRIU gets the environment with which the program itself was started. */
const starters = new Set(['containerd', 'dockerd', 'crio', 'podman']);
/** runc and crun hand the file that this annotation names on to CRIU. */
export const configAnnotation = 'org.criu.config';

/**
 * Lists the options that CRIU gets although its command line does not have them, and the files that set them.
 */
export const examineOptions: Examine = context => {
  const files = optionsFiles(context);
  const faults = files.flatMap(({ path, fault, readBy }) =>
    fault === undefined ? [] : [broken(name, `${readBy} reads ${path}: ${fault}`, away(path))],
  );
  const absent = files
    .filter(({ missing, named }) => missing && named)
    .map(({ path }) => warning(name, `CRIU_CONFIG_FILE names ${path}, which is not there: CRIU ignores it`));
  const effective = effectiveOptions(context);
  const set = files.flatMap(({ path, readBy, options }) => {
    const isInForce = (option: { name: string }) =>
      readBy.includes('under') || effective.get(option.name)?.path === path;
    const shown = options.filter(isInForce).slice(0, mostShown).map(showOption);
    return shown.length === 0 ? [] : [`${shown.join(', ')} (${path}, read by ${readBy})`];
  });
  const others = [...ofEngines(context), ...ofContainers(context)];
  if (faults.length > 0) return { findings: [...faults, ...others] };
  const says = set.length > 0 ? set.join('; ') : 'none: no configuration file of CRIU sets any';
  return { findings: [ok(name, says), ...absent, ...others] };
};

const showOption = (option: { name: string; value: string }) => `${option.name} ${option.value}`.trim();

const away = (path: string) => `mv ${quoted(path)} ${quoted(`${path}.away`)}`;

function ofEngines({ host }: TestbedContext): Finding[] {
  const { processes } = host;
  return processes.listPids().flatMap(pid => {
    try {
      const engine = processes.commandName(pid);
      if (!starters.has(engine) || processes.uid(pid) !== 0) return [];
      const file = processes.environment(pid, 'CRIU_CONFIG_FILE');
      return file === undefined ? [] : [ok(name, `${engine} (process ${pid}) gives CRIU the file ${file}`)];
    } catch (error) {
      // The process has ended, or we may not look at it.
      if (errnoOf(error) === undefined) throw error;
      return [];
    }
  });
}

function ofContainers(context: TestbedContext): Finding[] {
  return annotationsNaming(context, configAnnotation).map(({ container, value }) =>
    ok(name, `container ${container} gives CRIU the file ${value} (annotation ${configAnnotation})`),
  );
}
