import { errnoOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { asRoot, broken, type Examine, ok, warning } from '../look/finding.js';
import { hasCapability, mayCheckpoint } from '../look/rights.js';

const name = 'capabilities';
const needed = 'CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, and CAP_SYS_PTRACE';
const toAdd = '--cap-add=CHECKPOINT_RESTORE --cap-add=SYS_ADMIN --cap-add=SYS_PTRACE';

/** Can CRIU make a checkpoint if it is started from here? */
export const examineCapabilities: Examine = context => {
  if (context.host.uid() !== 0) {
    const says = `user ${context.host.uid()} is not root: CRIU, and files of other users, were not looked at`;
    return { findings: [warning(name, says, asRoot)] };
  }
  if (mayCheckpoint(context)) {
    const by = hasCapability(context, 'CHECKPOINT_RESTORE') ? 'CHECKPOINT_RESTORE' : 'SYS_ADMIN';
    return { findings: [ok(name, `CAP_${by} and CAP_SYS_PTRACE`)] };
  }
  const says = `this root has not all of ${needed}, so that no checkpoint is possible from here`;
  const giver = nearestWith(context);
  return {
    findings: [
      giver === undefined
        ? broken(name, `${says}; whoever started this container has to give them`, `podman run ${toAdd} …`)
        : broken(name, `${says}; ${giver} still has them: start it from there`, 'ghostkeep doctor'),
    ],
  };
};

/** The nearest process above us that can give the capabilities to programs that it starts. */
function nearestWith(context: TestbedContext): string | undefined {
  const { processes } = context.host;
  try {
    for (let pid = processes.parent(processes.self()); pid > 0; pid = processes.parent(pid))
      if (mayCheckpoint(context, pid, 'CapBnd')) return `process ${pid} (${processes.commandName(pid)})`;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  return undefined;
}
