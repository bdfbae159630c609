/**
 * Work on this many bytes of documents leaves some 80 MiB of garbage, and collecting that takes some 50 ms. A
 * seal of 10,000 ghosts works on fewer bytes, so nothing is collected while the processes are frozen.
 */
const worthCollecting = 12 << 20;

let worked = 0;
let collect: (() => void) | undefined;

/**
 * Notes that BYTES of documents have been worked on, and collects garbage when they have become many. Bun
 * lets garbage grow with the memory that the machine has: a hostile image directory took 1.4 GiB on a machine
 * of 24 GiB. Node.js is more sparing, but keeps large buffers that nobody uses any more.
 */
export function collectAfter(bytes: number): void {
  worked += bytes;
  if (worked >= worthCollecting) collectNow();
}

/** Collects garbage before processes are frozen, so that it need not be done while they are. */
export function collectNow(): void {
  worked = 0;
  collect ??= collector();
  collect();
}

/**
 * Gives the call that collects garbage. Node.js has one only where a flag asks for it. Before 20.16 Node.js
 * gives no module without an import, so there the result does nothing.
 */
function collector(): () => void {
  const { Bun: bun } = globalThis as { Bun?: { gc(wait: boolean): void } };
  if (bun) return () => bun.gc(true);
  const [v8, vm] = ['node:v8', 'node:vm'].map(name => process.getBuiltinModule?.(name)) as [V8?, Vm?];
  v8?.setFlagsFromString('--expose-gc');
  return vm ? (vm.runInNewContext('gc') as () => void) : () => {};
}

type V8 = typeof import('node:v8');
type Vm = typeof import('node:vm');
