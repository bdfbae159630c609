import type { Shared } from '../../base/documents/generated/shared.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { shareBlocks } from '../../flows/history/share.js';
import { parse, required, usage } from '../args.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function shareCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(
    'share',
    args,
    { 'images-dir': { type: 'string', short: 'D' }, json: { type: 'boolean' }, ...verboseOption },
    'any',
  );
  const given = values['images-dir'];
  const directories = given === undefined ? positionals : [required('share', '-D', given), ...positionals];
  if (directories.length < 2) throw usage('share', 'it takes two directories or more: DIR DIR2 …');
  const result = await shareBlocks(contextWithProgress(values), directories);
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : show(result));
  return 0;
}

function show({ sharedBytes, sharedBefore, directories }: Shared): string {
  const bytes = (count: number | string) => showBytes(countFromJson(count));
  return [
    ...directories.map(
      each =>
        `${each.images}: ${each.paired} of ${counted(each.ghosts, 'ghost')} compared with ${each.with}, ${bytes(each.sharedBytes)} shared`,
    ),
    `${bytes(sharedBytes)} saved, which the directories now share; ${bytes(sharedBefore)} were shared before`,
  ]
    .map(line)
    .join('');
}
