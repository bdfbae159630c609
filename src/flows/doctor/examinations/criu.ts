import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { type Fault, findCriu, isTooOld, oldestCriu } from '../look/criu.js';
import { broken, type Examine, ok } from '../look/finding.js';
import { ask, quoted } from '../look/programs.js';
import { mayCheckpoint } from '../look/rights.js';
import { againCommand, candidateOf, installCommand, libraryCommand } from '../look/way-out.js';

const name = 'criu';

/** Is there a CRIU that can use the gate, and does that CRIU find in the kernel what it needs? */
export const examineCriu: Examine = async context => {
  const criu = await findCriu(context);
  if (criu === undefined) {
    const says = 'it is not installed, so no container can be checkpointed';
    return { findings: [await newer(context, says)] };
  }
  const { program, version = 'of an unknown version', plugins, fault } = criu;
  if (fault) {
    const command = await mendFault(context, program, fault);
    return { findings: [broken(name, `${program} cannot be started: ${fault.says}`, command)] };
  }
  if (isTooOld(criu)) {
    const refused = await kernelRefusal(context, program);
    const works = '`ghostkeep checkpoint -- runc checkpoint …` works with this one';
    const unasked = mayAsk(context) ? '' : ' if it runs on this kernel (`criu check`)';
    const instead =
      refused === undefined ? `${works}${unasked}` : `nor does it work with this kernel: ${refused}`;
    const says = `${program} ${version} cannot use the gate, which needs CRIU ${oldestCriu} or later; ${instead}`;
    return { findings: [await newer(context, says)] };
  }
  if (plugins === undefined) {
    const says = `${program} ${version} names no folder for plugins`;
    return { findings: [broken(name, says, installCommand(context, 'criu'))] };
  }
  const shown = `${version}, ${program}, plugins in ${plugins}`;
  const refused = await kernelRefusal(context, program);
  if (refused === undefined) return { findings: [ok(name, shown)] };
  return { findings: [broken(name, `${shown}: \`criu check\` says: ${refused}`, `${program} check`)] };
};

/** @returns why CRIU is not content with this kernel; undefined where it is, or may not ask the kernel */
async function kernelRefusal(context: TestbedContext, program: string): Promise<string | undefined> {
  if (!mayAsk(context)) return undefined;
  const { status, reason } = await ask(context, [program, 'check']);
  return status === 0 ? undefined : reason.replace(/\.$/, '');
}

const mayAsk = (context: TestbedContext) => context.host.uid() === 0 && mayCheckpoint(context);

/** Seen on packages.debian.org and build.opensuse.org in 2026. Debian 12 has no backport. */
const elsewhere = [
  'Debian 13 has CRIU 4.1.1',
  'https://build.opensuse.org/project/show/devel:tools:criu has packages of CRIU 4 for Debian 12 and Ubuntu',
  'https://criu.org/Installation says how to build it',
].join(', ');

/**
 * The line that advises a newer CRIU. It names the package manager only if the version there is new enough.
 */
async function newer(context: TestbedContext, says: string) {
  const candidate = await candidateOf(context, 'criu');
  if (candidate === 'none')
    return broken(
      name,
      `${says}; apt has no package of it here (after \`apt-get update\` it may): ${elsewhere}`,
    );
  if (candidate === undefined || !isTooOld({ version: candidate }))
    return broken(name, says, installCommand(context, 'criu'));
  return broken(
    name,
    `${says}; the package of this system is CRIU ${candidate}, too old as well: ${elsewhere}`,
  );
}

function mendFault(
  context: TestbedContext,
  program: string,
  { kind, library }: Fault,
): string | Promise<string> {
  if (kind === 'mode') return `chmod 755 ${quoted(program)}`;
  return library === undefined ? againCommand(context, 'criu') : libraryCommand(context, 'criu', library);
}
