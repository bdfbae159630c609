import type { Check } from '../../base/documents/generated/check.js';
import { groupBy } from '../../base/group-by.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { check } from '../../flows/check/check.js';
import { parse, required, usage } from '../args.js';
import { watch } from '../ending/watch.js';
import { selection, selectionOptions } from '../options/selection.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function checkCommand(args: string[]): Promise<number> {
  const { values } = parse('check', args, {
    ...selectionOptions,
    cgroup: { type: 'string' },
    'images-dir': { type: 'string', short: 'D' },
    json: { type: 'boolean' },
    ...verboseOption,
  });
  const chosen = selection('check', values);
  if (!chosen) throw usage('check', '--container, --pid, --tree or --cgroup is missing');
  const images = values['images-dir'];
  if (images !== undefined) required('check', '-D', images);
  const result = await check({ ...contextWithProgress(values), watch }, chosen, images);
  if (values.json) printJson(result);
  else process.stdout.write(show(result));
  return result.ok ? 0 : 1;
}

function show({ ok, processes, refusals, doubts, ghosts, room, freeze }: Check): string {
  const bytes = (count: number | string) => showBytes(countFromJson(count));
  const kept = groupBy(
    ghosts,
    ({ keep }) => keep,
    ({ allocated }) => countFromJson(allocated),
  );
  const keepers = [...kept].map(
    ([keep, sizes]) =>
      `${counted(sizes.length, 'ghost')} with ${showBytes(sizes.reduce((sum, size) => sum + size, 0n))} ${keeperOf[keep]}`,
  );
  const free = room.free === undefined ? '' : `, ${bytes(room.free)} are free in ${room.folder}`;
  return [
    `ghosts   ${keepers.join('; ') || 'none'}, in ${counted(processes, 'process', 'processes')}`,
    `room     ${bytes(room.needed)} are needed${free}`,
    `freeze   ${showFreeze(freeze)}`,
    ...refusals.map(({ code, message }) => `refused  ${message} [${code}]`),
    ...doubts.map(doubt => `perhaps  ${doubt}`),
    ok
      ? 'nothing is known for which a checkpoint would be refused'
      : `a checkpoint would be refused now, for ${counted(refusals.length, 'reason')}`,
  ]
    .map(line)
    .join('');
}

const keeperOf: Record<string, string> = {
  ghostkeep: 'kept by ghostkeep',
  criu: 'left to CRIU',
  no: 'kept by nobody',
};

function showFreeze({ copied, shared, atMostMs }: Check['freeze']): string {
  const bytes = (count: number | string) => showBytes(countFromJson(count));
  const sharing =
    countFromJson(shared) === 0n ? '' : `, and the blocks of ${bytes(shared)} are shared at once`;
  if (countFromJson(copied) === 0n) return `nothing has to be copied${sharing}`;
  const time =
    atMostMs === undefined ? 'a time that is not known' : `at most ${(atMostMs / 1000).toFixed(2)} s`;
  return `copying ${bytes(copied)} takes ${time}${sharing}; what is copied before the freeze does not count`;
}
