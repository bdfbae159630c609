import type { Deduplicated } from '../../base/documents/generated/deduplicated.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { line } from './line.js';

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
