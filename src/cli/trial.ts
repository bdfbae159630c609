/** Plays a trial in a testbed of its own, and shows it: a timeline while it runs, a table at its end. */
import type { Trial, TrialGhost, TrialStep } from '../base/documents/generated/trial.js';
import { countFromJson, showBytes } from '../base/units.js';
import { longestHookMs } from '../flows/try-hooks/hooks.js';
import type { TestbedContext } from '../flows/try-hooks/testbed-context.js';
import { type TrialRequest, tryHooks } from '../flows/try-hooks/trial.js';
import { LinuxTestbed } from '../host/testbed.js';
import { makeContext } from './context.js';
import { Deadline } from './ending/deadline.js';
import { errorLine, line } from './print/line.js';
import { table } from './print/table.js';

/** The longest time for one step: a minute more than a hook may take. */
const stepWaitMs = longestHookMs + 60_000;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const interrupted = 130;

/** Runs WORK with a testbed and removes everything afterwards, even after a failure, a signal or a hang. */
export async function inTestbed<Result>(
  { keep }: { keep: boolean },
  work: (context: TestbedContext) => Promise<Result>,
): Promise<Result> {
  const testbed = new LinuxTestbed();
  const deadline = new Deadline(stepWaitMs, 'the trial', error => {
    testbed.close(keep);
    process.stderr.write(errorLine(error));
    process.exit(1);
  });
  const stop = () => {
    testbed.close(keep);
    process.exit(interrupted);
  };
  for (const signal of signals) process.once(signal, stop);
  try {
    return await work({ ...makeContext(undefined, () => deadline.alive()), testbed });
  } finally {
    testbed.close(keep);
    deadline.stop();
    for (const signal of signals) process.off(signal, stop);
  }
}

export function playTrial(request: TrialRequest): Promise<Trial> {
  return inTestbed(request, context => tryHooks(context, request));
}

export const timelineHead = '      ms  step       what happened\n';

export function showStep({ atMs, step, what, failed, stderr }: TrialStep): string {
  const first = line(`${String(atMs).padStart(8)}  ${step.padEnd(9)}  ${failed ? 'FAILED: ' : ''}${what}`);
  if (!failed || stderr === undefined) return first;
  const said = stderr.trim().split('\n');
  return `${first}${said.map(text => line(`${' '.repeat(21)}| ${text}`)).join('')}`;
}

export function showTrial({ ok, ghosts, timeline, notTried, kept }: Trial): string {
  const head = ['ghost', 'size', 'data', 'compared', 'holes', 'times', 'result', 'open again as'];
  const rows = ghosts.map(ghost => [
    ghost.kind,
    ...[ghost.size, ghost.data, ghost.compared, ghost.holes].map(bytes => showBytes(countFromJson(bytes))),
    ghost.times,
    ghost.result,
    ghost.held,
  ]);
  const wrong = ghosts.flatMap(({ kind, differences }) =>
    differences.map(difference => line(`DIFFERENT ${kind}: ${difference}`)),
  );
  return [
    ghosts.length > 0 ? `\n${[...table(head, rows)].join('')}` : '',
    '\n',
    ...wrong,
    line(verdict(ok, ghosts, timeline)),
    // If nothing was tried at all, a list of what else was not tried helps nobody.
    ...(ghosts.length > 0 ? notTried : []).map(text => line(`not tried here: ${text}`)),
    kept === undefined ? '' : line(`kept: ${kept}`),
  ].join('');
}

function verdict(ok: boolean, ghosts: readonly TrialGhost[], timeline: readonly TrialStep[]): string {
  if (ok)
    return `${ghosts.length} of ${ghosts.length} equal: every byte, hole and timestamp, and every descriptor's flags and offset`;
  const failed = timeline.find(step => step.failed);
  if (failed) return `FAILED in ${failed.step}: the reason is above`;
  const equal = ghosts.filter(({ result }) => result === 'equal').length;
  return `FAILED: ${ghosts.length - equal} of ${ghosts.length} are different`;
}
