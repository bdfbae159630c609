import type { Deduplicated } from '../../base/documents/generated/deduplicated.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { dedup } from '../../flows/dedup/dedup.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';

export async function dedupCommand(args: string[]): Promise<number> {
  const { values } = parse('dedup', args, {
    'images-dir': { type: 'string', short: 'D' },
    'discard-older': { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    json: { type: 'boolean' },
  });
  const result = await dedup(makeContext(), {
    images: required('dedup', '-D', values['images-dir']),
    discardOlder: values['discard-older'] ?? false,
    dryRun: values['dry-run'] ?? false,
  });
  if (values.json) printJson(result);
  else process.stdout.write(showDeduplicated(result));
  return 0;
}

export function showDeduplicated({ dryRun, parents, ...all }: Deduplicated): string {
  const bytes = (count: number | string) => showBytes(countFromJson(count));
  const [gives, are] = dryRun ? ['would give', 'would be'] : ['gave', 'are'];
  return [
    ...parents
      .filter(({ ghosts }) => ghosts > 0)
      .map(
        each =>
          `${each.images}: ${counted(each.ghosts, 'ghost')} ${gives} up ${bytes(each.givenBytes)} of data here, ${bytes(each.freedBytes)} ${are} free${each.packed > 0 ? `; ${counted(each.packed, 'image')} ${dryRun ? 'would be packed' : 'packed'} for it` : ''}`,
      ),
    `${bytes(all.freedBytes)} ${are} free; ${all.images} can be restored, the parents that gave something up can not${dryRun ? '; nothing was changed' : ''}`,
  ]
    .map(line)
    .join('');
}
