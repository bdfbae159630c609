import type { Finding } from '../../../base/documents/generated/doctor.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { type Examine, ok, warning } from '../look/finding.js';
import { ask, findProgram } from '../look/programs.js';
import { installCommand } from '../look/way-out.js';

/**
 * For each name that people use: the program, and the pattern that finds the version in its answer to
 * --version.
 */
const known: Record<string, [string, RegExp]> = {
  runc: ['runc', /^runc version (\S+)/m],
  crun: ['crun', /^crun version (\S+)/m],
  podman: ['podman', /^podman version (\S+)/m],
  containerd: ['containerd', /^containerd \S+ (\S+)/m],
  docker: ['docker', /^Docker version ([^\s,]+)/m],
  'CRI-O': ['crio', /^(?:crio version|Version:)\s+(\S+)/m],
};

/** Lists the runtimes and engines of this host. */
export const examineRuntimes: Examine = async context => {
  const all = await Promise.all(Object.keys(known).map(name => describe(context, name)));
  const absent = Object.keys(known).filter((_, index) => all[index] === undefined);
  const findings = all.filter(finding => finding !== undefined);
  if (findings.length === 0) {
    const says = 'none is installed, so there are no containers to checkpoint';
    return { findings: [warning('runtimes', says, installCommand(context, 'runc'))] };
  }
  return {
    findings: [...findings, ...(absent.length > 0 ? [ok('not installed', absent.join(', '))] : [])],
  };
};

async function describe(context: TestbedContext, name: string): Promise<Finding | undefined> {
  const [program, pattern] = known[name] as [string, RegExp];
  const file = findProgram(context, program);
  if (file === undefined) return undefined;
  const { status, stdout, reason } = await ask(context, [file, '--version']);
  if (status !== 0) {
    const says = `${file} --version fails: ${reason}`;
    return warning(name, says, installCommand(context, program));
  }
  const shown = `${pattern.exec(stdout)?.[1] ?? 'of an unknown version'}, ${file}`;
  // Source: crun (print_version), which lists what it was built with.
  if (name === 'crun' && /^\+/m.test(stdout) && !/\+CRIU\b/.test(stdout))
    return warning(name, `${shown}: it was built without CRIU, and cannot checkpoint`);
  return ok(name, shown);
}
