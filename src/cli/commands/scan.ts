import type { Scan } from '../../base/documents/generated/scan.js';
import { groupBy } from '../../base/group-by.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { showLeftOut } from '../../flows/choose/left-out.js';
import { scan } from '../../flows/scan/scan.js';
import { parse, positive, required, usage } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../print/line.js';
import { table } from '../print/table.js';

export async function scanCommand(args: string[]): Promise<number> {
  const { values } = parse('scan', args, {
    pid: { type: 'string', multiple: true },
    container: { type: 'string' },
    cgroup: { type: 'string' },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  });
  const chosen = [values.pid, values.container, values.cgroup, values.all].filter(
    value => value !== undefined,
  );
  for (const name of ['container', 'cgroup'] as const)
    if (values[name] !== undefined) required('scan', `--${name}`, values[name]);
  if (chosen.length > 1)
    throw usage('scan', 'only one of --pid, --container, --cgroup and --all makes sense');
  const result = scan(makeContext(), {
    ...(values.pid ? { pids: values.pid.map(text => positive('scan', '--pid', text)) } : {}),
    ...(values.container === undefined ? {} : { container: values.container }),
    ...(values.cgroup === undefined ? {} : { cgroup: values.cgroup }),
    all: values.all === true || chosen.length === 0,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : showScan(result));
  return 0;
}

export function showScan({ ghosts, unseen }: Scan): string {
  const rows = ghosts.map(ghost => [
    showBytes(countFromJson(ghost.allocated)),
    showBytes(countFromJson(ghost.size)),
    ghost.class,
    `${ghost.dev}/${ghost.ino}`,
    [...new Set(ghost.holders.map(holder => holder.pid))].join(','),
    ghost.keep,
    ghost.path,
  ]);
  const total = ghosts.reduce((sum, ghost) => sum + countFromJson(ghost.allocated), 0n);
  const inside = unseen.filter(each => each.inside);
  const others = unseen.length - inside.length;
  const notSeen = others === 0 ? '' : `${others} not looked at (--json says which and why)\n`;
  return [
    ...table(['allocated', 'size', 'class', 'dev/ino', 'pid', 'kept by', 'path'], rows),
    showWhy(ghosts),
    ...showLeftOut(inside).map(line),
    `${ghosts.length} ghosts, ${showBytes(total)} allocated\n`,
    notSeen,
  ].join('');
}

/**
 * Says why ghostkeep leaves ghosts alone, in one line for each reason, because a container may have hundreds
 * of memfds.
 */
function showWhy(ghosts: Scan['ghosts']): string {
  const reasons = groupBy(
    ghosts,
    ({ keep, why }) =>
      keep === 'ghostkeep' ? undefined : `${keep === 'no' ? 'kept by nobody' : 'left to CRIU'}: ${why}`,
    ({ dev, ino }) => `${dev}/${ino}`,
  );
  return [...reasons].map(([reason, which]) => line(`${showSome(which)} ${reason}`)).join('');
}
