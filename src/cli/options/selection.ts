import type { Selection } from '../../flows/scan/select.js';
import { positive, required, usage } from '../args.js';

/** The options by which a command is told which processes it is about. */
export const selectionOptions = {
  pid: { type: 'string', multiple: true },
  container: { type: 'string' },
  tree: { type: 'string' },
} as const;

interface Values {
  pid?: string[] | undefined;
  container?: string | undefined;
  tree?: string | undefined;
  cgroup?: string | undefined;
  all?: boolean | undefined;
}

/** @returns undefined where none of the options is given. @throws USAGE */
export function selection(command: string, values: Values): Selection | undefined {
  const { pid, container, tree, cgroup, all } = values;
  const given = Object.entries({ pid, container, tree, cgroup, all }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length > 1)
    throw usage(command, `only one of ${given.map(([name]) => `--${name}`).join(' and ')} makes sense`);
  if (pid) return { pids: pid.map(text => positive(command, '--pid', text)) };
  if (container !== undefined) return { container: required(command, '--container', container) };
  if (tree !== undefined) return { tree: positive(command, '--tree', tree) };
  if (cgroup !== undefined) return { cgroup: required(command, '--cgroup', cgroup) };
  return all ? { all } : undefined;
}
