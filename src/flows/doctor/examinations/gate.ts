import { bounds } from '../../../base/bounds.js';
import type { Finding } from '../../../base/documents/generated/doctor.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { type Criu, findCriu, isTooOld, machineOf } from '../look/criu.js';
import { asRoot, broken, type Examine, ok, warning } from '../look/finding.js';
import { hostPolicy } from '../look/policy.js';
import { mayCheckpoint } from '../look/rights.js';
import { gateCommand } from '../look/way-out.js';
import { tryCriu, withoutBreakpoints } from '../trial/criu-trial.js';

const name = 'gate';
/** The process that is tried has a file with this much data, which CRIU alone refuses. */
const triedBytes = 2n << 20n;

/** Does CRIU load the gate? To see that, CRIU dumps and restores a process of our own. */
export const examineGate: Examine = async context => {
  const criu = await findCriu(context);
  // The line about CRIU says what is wrong, and there is nothing that could load a gate.
  if (criu?.plugins === undefined || isTooOld(criu)) return { findings: [] };
  const gate = `${criu.plugins}/ghostkeep.so`;
  return { findings: [lookAt(context, criu, gate) ?? (await attempt(context, criu, gate))] };
};

/** @returns what is wrong with the file */
function lookAt(context: TestbedContext, { program, machine }: Criu, gate: string): Finding | undefined {
  const { files } = context.host;
  const again = gateCommand(context);
  const gone = `${program} would load ${gate}, which is not there`;
  let bytes: Buffer;
  try {
    bytes = files.read(files.realPath(gate), bounds.ownParts);
  } catch (error) {
    if (errnoOf(error) === 'EACCES') return warning(name, `${gate} cannot be read by this user`, asRoot);
    return broken(name, errnoOf(error) === 'ENOENT' ? gone : reasonOf(error), again);
  }
  if (machineOf(bytes) !== machine)
    return broken(name, `${gate} was made for another kind of machine than ${program}`, again);
  const started = /\0(\/[ -~]{1,4000}\/ghostkeep)\0/.exec(bytes.toString('latin1'))?.[1];
  if (started === undefined) return broken(name, `${gate} is not a gate of ghostkeep`, again);
  if (!context.testbed.isExecutable(started))
    return broken(name, `${gate} starts ${started}, which cannot be started`, again);
  return undefined;
}

async function attempt(context: TestbedContext, { program }: Criu, gate: string): Promise<Finding> {
  const why = notTried(context);
  if (why !== undefined) return why(`${gate} is in its place, and was not tried`);
  const result = await tryCriu(context, program);
  if ('worked' in result) {
    const seconds = (result.ms / 1000).toFixed(1);
    const says = `${gate}; a process with a file without a name was dumped and restored in ${seconds} s`;
    return ok(name, says);
  }
  if (result.onlyWithoutBreakpoints)
    return broken(
      name,
      'CRIU waits for ever for a hardware breakpoint, as on some virtual machines; it needs this in its environment, and so in that of the engine',
      `export ${withoutBreakpoints}`,
    );
  const says = `a process with a file without a name cannot be ${result.step}: ${result.reason}`;
  return broken(name, says, result.isOurs ? gateCommand(context) : `${program} check`);
}

/** Why a trial would tell nothing about the gate. Another line says how that is mended. */
function notTried(context: TestbedContext): ((says: string) => Finding) | undefined {
  if (context.host.uid() !== 0) return says => warning(name, `${says}, which needs root`, asRoot);
  if (!mayCheckpoint(context)) return says => ok(name, `${says}, because capabilities are missing`);
  const settings = hostPolicy(context);
  if ('fault' in settings) return says => ok(name, `${says}, because the settings cannot be read`);
  const { enabled, limit } = settings.policy;
  if (!enabled) return says => warning(name, `${says}: the settings switch it off (enabled)`);
  if (limit !== undefined && limit < triedBytes) return says => ok(name, `${says}: the limit is too small`);
  return undefined;
}
