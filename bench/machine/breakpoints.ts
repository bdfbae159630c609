/**
 * CRIU takes control of a process by a hardware breakpoint. For the first event of the kind in the kernel
 * somebody waits for RCU, 10 to 20 ms with all frozen, and a second after the last one is gone the next is a
 * first one again. Whether a run paid for that depended on how long its files had taken to write. Source:
 * kernel/events/core.c, account_event() and perf_sched_delayed.
 */
import { createRequire } from 'node:module';

/** Source: linux/perf_event.h; the numbers of perf_event_open(2) are those of its table for each machine. */
const [typeSoftware, countDummy, closeOnExec] = [1, 9n, 8n];
const attrBytes = 64;
const callNumbers: Record<string, bigint> = { x64: 298n, arm64: 241n };

/**
 * Have one such event, of this very thread, until the bench ends.
 * @returns false where there is none to be had
 */
export function keepBreakpointsReady(): boolean {
  const number = callNumbers[process.arch];
  if (number === undefined) return false;
  const attr = Buffer.alloc(attrBytes);
  attr.writeUInt32LE(typeSoftware, 0);
  attr.writeUInt32LE(attrBytes, 4);
  attr.writeBigUInt64LE(countDummy, 8);
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const syscall = koffi.load(null).func('long syscall(long, void *, int, int, int, long)');
  const [thisThread, anyProcessor, noGroup] = [0, -1, -1];
  return syscall(number, attr, thisThread, anyProcessor, noGroup, closeOnExec) >= 0;
}
