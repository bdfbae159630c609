import type { PreDump } from '../../base/documents/generated/pre-dump.js';
import { groupBy } from '../../base/group-by.js';
import { counted } from '../../base/text/counted.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { removeBase } from '../../flows/bases/base-file.js';
import { preDumpTo } from '../../flows/move/pre-dump.js';
import { type PreDumpRequest, preDump } from '../../flows/rounds/pre-dump.js';
import type { Unfinished } from '../../flows/rounds/round.js';
import { oneOf, parse, positive, required, usage } from '../args.js';
import { orUndo } from '../ending/interrupt.js';
import { watch } from '../ending/watch.js';
import { selection, selectionOptions } from '../options/selection.js';
import { targetOf, targetOptions } from '../options/target.js';
import { line } from '../print/line.js';
import { contextWithProgress, progressFdOf, progressOption, verboseOption } from '../progress/for-command.js';

/** The most rounds of --until-stable without a number: enough for any ghost whose changes come to a rest. */
const mostRounds = 10;

export async function preDumpCommand(args: string[]): Promise<number> {
  const { values } = parse('pre-dump', withCount(args), {
    ...selectionOptions,
    ...targetOptions,
    'images-dir': { type: 'string', short: 'D' },
    'until-stable': { type: 'string' },
    engine: { type: 'string' },
    json: { type: 'boolean' },
    ...verboseOption,
    ...progressOption,
  });
  const chosen = selection('pre-dump', values);
  if (!chosen) throw usage('pre-dump', '--container, --pid or --tree is missing');
  const images = values['images-dir'];
  if (images !== undefined) required('pre-dump', '-D', images);
  const until = values['until-stable'];
  const context = {
    ...contextWithProgress({ ...values, progressFd: progressFdOf('pre-dump', values.progress) }),
    watch,
  };
  const target = targetOf(context, 'pre-dump', values);
  if (target && images !== undefined)
    throw usage('pre-dump', 'a round that is sent leaves nothing in a directory: leave out -D');
  let works: readonly Unfinished[] = [];
  const undo = () => {
    for (const { base } of works) if (base) removeBase(context, base);
    return 'what was being copied is removed';
  };
  const request: PreDumpRequest = {
    selection: chosen,
    images,
    rounds: until === undefined ? 1 : positive('pre-dump', '--until-stable', until),
    wishes:
      values.engine === undefined
        ? {}
        : { engine: oneOf('pre-dump', '--engine', values.engine, ['auto', 'fiemap', 'seek', 'read']) },
    onBegin: begun => {
      works = begun;
    },
  };
  const result = await orUndo(undo, () =>
    target ? preDumpTo(context, { ...request, target }) : preDump(context, request),
  );
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : showPreDump(result));
  return 0;
}

/**
 * Adds the number that may be left out after --until-stable, because parseArgs knows no option whose value
 * may be missing.
 */
export function withCount(args: readonly string[]): string[] {
  return args.map((arg, index) =>
    arg === '--until-stable' && !/^[0-9]/.test(args[index + 1] ?? '') ? `${arg}=${mostRounds}` : arg,
  );
}

export function showPreDump({ images, rounds, ghosts, freeze }: PreDump): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  const show = (bytes: number | string) => showBytes(countFromJson(bytes));
  const made = rounds.map(
    ({ bytes, differed, ms }, index) =>
      `round ${index + 1}: ${show(bytes)} in ${seconds(ms)}, of which ${show(differed)} had changed or were new`,
  );
  const count = (done: string) => ghosts.filter(ghost => ghost.done === done).length;
  const passedOver = groupBy(
    ghosts,
    ({ done, why }) => (done === 'nothing' ? why : undefined),
    ({ dev, ino }) => `${dev}/${ino}`,
  );
  const isSent = count('sent') > 0;
  const bases = `${counted(count('base'), 'ghost has', 'ghosts have')} a base in ${images}, ${counted(count('written-back'), 'was written to its disk', 'were written to their disk')}`;
  const about = freeze.measured === 'comparing' ? 'about' : 'at most';
  return [
    ...made,
    isSent ? `${counted(count('sent'), 'ghost was', 'ghosts were')} sent to ${images}` : bases,
    ...[...passedOver].map(([why, which]) => `${showSome(which)} not copied: ${why}`),
    `estimate: ${isSent ? 'sending' : 'copying'} these ghosts will take ${about} ${seconds(freeze.estimateMs)} of the freeze`,
  ]
    .map(line)
    .join('');
}
