/** A new process gets the restored files at the old descriptor numbers and reports what it finds there. */
import { GhostkeepError } from '../../../base/errors.js';
import type { TestbedContext } from '../testbed-context.js';
import type { Workload } from '../workload.js';
import type { Revived } from './revive.js';

const examineWaitMs = 120_000;

export interface Examined {
  /** The number of checks that were right, by kind. */
  right: Map<string, number>;
  wrong: Map<string, string[]>;
}

export async function examine(
  { testbed }: TestbedContext,
  { program, folder, kinds }: Workload,
  revived: readonly Revived[],
): Promise<Examined> {
  const descriptors = new Map(revived.flatMap(one => [...one.descriptors]));
  const running = await testbed.start({
    path: program,
    argv: [program, 'verify', folder, ...kinds],
    environment: {},
    cwd: folder,
    descriptors,
    waitMs: examineWaitMs,
  });
  const { status, signal, late, stdout, stderr } = await running.ended;
  const lines = stdout.split('\n');
  if (late || signal !== undefined || !lines.includes('end'))
    throw new GhostkeepError(
      'IO',
      'verify',
      `the new process ${late ? `did not finish within ${examineWaitMs / 1000} s` : `ended early (${signal ?? `status ${status}`})`}: ${stderr.trim()}`,
    );
  return { right: countRight(lines), wrong: listWrong(lines) };
}

/** `ok KIND WHAT` */
function countRight(lines: readonly string[]): Map<string, number> {
  const right = new Map<string, number>();
  for (const line of lines) {
    const kind = /^ok (\S+) /.exec(line)?.[1];
    if (kind !== undefined) right.set(kind, (right.get(kind) ?? 0) + 1);
  }
  return right;
}

/** `not ok KIND WHAT: WHY` */
function listWrong(lines: readonly string[]): Map<string, string[]> {
  const wrong = new Map<string, string[]>();
  for (const line of lines) {
    const [, kind, text] = /^not ok (\S+) (.*)$/.exec(line) ?? [];
    if (kind !== undefined && text !== undefined) wrong.set(kind, [...(wrong.get(kind) ?? []), text]);
  }
  return wrong;
}
