/** The kernel says what this process may do. Source: proc_pid_status(5), capabilities(7). */
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

const bits = { SYS_PTRACE: 19n, SYS_ADMIN: 21n, CHECKPOINT_RESTORE: 40n } as const;
export type Capability = keyof typeof bits;
const statusBytes = 1 << 16;

/** @param set CapEff: what the process can do now. CapBnd: what a program that it starts can get at most */
export function hasCapability(
  { host }: TestbedContext,
  capability: Capability,
  pid: number | 'self' = 'self',
  set: 'CapEff' | 'CapBnd' = 'CapEff',
): boolean {
  const text = host.files.readStart(`/proc/${pid}/status`, statusBytes).toString('latin1');
  const mask = BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(text)?.[1] ?? '0'}`);
  return ((mask >> bits[capability]) & 1n) === 1n;
}

/**
 * CRIU asks for CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. By CAP_SYS_PTRACE we find ghosts in other processes.
 */
export function mayCheckpoint(
  context: TestbedContext,
  pid: number | 'self' = 'self',
  set?: 'CapBnd',
): boolean {
  const has = (capability: Capability) => hasCapability(context, capability, pid, set);
  return (has('CHECKPOINT_RESTORE') || has('SYS_ADMIN')) && has('SYS_PTRACE');
}
