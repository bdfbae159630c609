import type { Shared } from '../../base/documents/generated/shared.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { shareBlocks } from '../../flows/history/share.js';
import { parse, required, usage } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../print/line.js';

export async function shareCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(
    'share',
    args,
    { 'images-dir': { type: 'string', short: 'D' }, json: { type: 'boolean' } },
    'any',
  );
  const first = required('share', '-D', values['images-dir']);
  if (positionals.length === 0) throw usage('share', 'it takes two directories or more: -D DIR DIR2 …');
  const result = await shareBlocks(makeContext(), [first, ...positionals]);
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : show(result));
  return 0;
}

function show({ sharedBytes, sharedBefore, directories }: Shared): string {
  const bytes = (count: number | string) => showBytes(countFromJson(count));
  return [
    ...directories.map(
      each =>
        `${each.images}: ${each.paired} of ${each.ghosts} ghosts compared with ${each.with}, ${bytes(each.sharedBytes)} shared`,
    ),
    `${bytes(sharedBytes)} saved, which the directories now share; ${bytes(sharedBefore)} were shared before`,
  ]
    .map(line)
    .join('');
}
