import { findCriu, isTooOld, oldestCriu } from '../look/criu.js';
import { broken, type Examine, ok } from '../look/finding.js';
import { ask } from '../look/programs.js';
import { mayCheckpoint } from '../look/rights.js';
import { installCommand } from '../look/way-out.js';

const name = 'criu';

/** There is a CRIU that can use the gate, and it finds in the kernel what it needs. */
export const examineCriu: Examine = async context => {
  const install = installCommand(context, 'criu');
  const criu = await findCriu(context);
  if (criu === undefined)
    return { findings: [broken(name, 'it is not installed, so no container can be checkpointed', install)] };
  const { program, version = 'of an unknown version', plugins } = criu;
  if (isTooOld(criu)) {
    const instead =
      'where the system has no later package, `ghostkeep checkpoint -- runc checkpoint …` works with this one';
    const says = `${program} ${version} cannot use the gate, which needs ${oldestCriu} or later; ${instead}`;
    return { findings: [broken(name, says, install)] };
  }
  if (plugins === undefined)
    return { findings: [broken(name, `${program} ${version} names no folder for plugins`, install)] };
  const shown = `${version}, ${program}, plugins in ${plugins}`;
  if (context.host.uid() === 0 && mayCheckpoint(context)) {
    const { status, reason } = await ask(context, [program, 'check']);
    if (status !== 0)
      return { findings: [broken(name, `${shown}: \`criu check\` says: ${reason}`, `${program} check`)] };
  }
  return { findings: [ok(name, shown)] };
};
