/**
 * CRIU takes control of a process with a hardware breakpoint, which is a perf event. The first perf event in
 * the kernel waits for RCU, 10 to 20 ms with the holder frozen. A second after the last event is gone, the
 * next one counts as a first again. So without this file, a run would pay for that or not, depending on how
 * long its files had taken to write. Source: kernel/events/core.c, account_event() and perf_sched_delayed.
 */
import { loadKoffi } from '../../src/host/native/program-files.js';

/**
 * Source: linux/perf_event.h. The numbers of perf_event_open(2) are from the kernel's table for each machine.
 */
const [typeSoftware, countDummy, closeOnExec] = [1, 9n, 8n];
const attrBytes = 64;
const callNumbers: Record<string, bigint> = { x64: 298n, arm64: 241n };

/**
 * Keeps a perf event open, on this very thread, until the bench ends.
 * @returns false where the kernel gives none
 */
export function keepBreakpointsReady(): boolean {
  const number = callNumbers[process.arch];
  if (number === undefined) return false;
  const attr = Buffer.alloc(attrBytes);
  attr.writeUInt32LE(typeSoftware, 0);
  attr.writeUInt32LE(attrBytes, 4);
  attr.writeBigUInt64LE(countDummy, 8);
  const syscall = loadKoffi().load(null).func('long syscall(long, void *, int, int, int, long)');
  const [thisThread, anyProcessor, noGroup] = [0, -1, -1];
  return syscall(number, attr, thisThread, anyProcessor, noGroup, closeOnExec) >= 0;
}
