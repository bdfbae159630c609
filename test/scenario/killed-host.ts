/**
 * A host whose process is killed at a step, as the kernel would do it: from then on nothing that it calls has
 * any effect, also in its own error handling. Only descriptors are closed, which gives locks back.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { Engine, Files } from '../../src/base/host/host.js';
import type { Context } from '../../src/flows/context.js';
import { flows } from './ghostkeep.js';

export class Killed extends Error {}

const fileSteps = new Set<PropertyKey>([
  ...['create', 'replace', 'rename', 'remove', 'removeEmpty', 'removeTree', 'makeDirectory'],
  ...['sync', 'syncFolder', 'flush', 'matchOwner'],
]);
const engineSteps = new Set<PropertyKey>(['pack', 'unpack', 'copy', 'share']);

type Call = (...values: unknown[]) => unknown;

/**
 * @param at the number of the step at which the process is killed
 * @param survives the process is not killed: the step fails with EIO half way, and all other steps succeed
 */
export function killedAt(at: number, survives = false): { context: Context; steps: () => number } {
  let step = 0;
  const watch = <T extends object>(target: T, steps: Set<PropertyKey>): T =>
    new Proxy(target, {
      get(_, name) {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== 'function') return member;
        const call = (member as Call).bind(target);
        return (...values: unknown[]) => {
          if (name === 'close' || name === 'lock') return call(...values);
          if (step >= at && !survives) throw new Killed();
          if (!steps.has(name)) return call(...values);
          step += 1;
          if (step !== at) return call(...values);
          leaveHalf(name, values);
          throw survives ? Object.assign(new Error('EIO: made up'), { code: 'EIO' }) : new Killed();
        };
      },
    });
  const context = flows();
  return {
    context: {
      ...context,
      host: {
        ...context.host,
        files: watch<Files>(context.host.files, fileSteps),
        engine: watch<Engine>(context.host.engine, engineSteps),
      },
    },
    steps: () => step,
  };
}

/** Leaves behind what a call would whose process is killed in the middle of it. */
function leaveHalf(name: PropertyKey, values: readonly unknown[]): void {
  if (name === 'replace') {
    const [file, bytes] = values as [string, Uint8Array];
    const digits = createHash('sha256').update(file).digest('hex').slice(0, 12);
    fs.writeFileSync(`${file}.${digits}.tmp`, bytes.subarray(0, bytes.length / 2));
  } else if (name === 'pack') {
    const { mapFd, dataFd } = values[0] as { mapFd: number; dataFd: number };
    for (const fd of [mapFd, dataFd]) fs.writeSync(fd, 'GKLAYER1 half of it');
  } else if (name === 'unpack') fs.writeSync(values[1] as number, 'half of an image');
  else if (name === 'create') fs.writeFileSync(values[0] as string, '');
}
