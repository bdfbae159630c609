import type { Packed } from '../../base/documents/generated/packed.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { dedup } from '../../flows/dedup/dedup.js';
import { assertParentFits } from '../../flows/dedup/parent-fits.js';
import { pack } from '../../flows/history/pack.js';
import { parse, required } from '../args.js';
import { fateOf } from '../options/auto-dedup.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { line } from '../print/line.js';
import { showDeduplicated } from '../print/show-deduplicated.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function packCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'pack',
    args,
    {
      ...imagesDirOption,
      parent: { type: 'string' },
      'auto-dedup': { type: 'boolean' },
      'discard-older': { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const context = contextWithProgress(values);
  const images = imagesDir('pack', parsed);
  const parent = required('pack', '--parent', values.parent);
  const fate = fateOf('pack', values);
  if (fate.autoDedup) assertParentFits(context, parent, fate);
  const packed = await pack(context, { images, parent });
  const freed = fate.autoDedup
    ? await dedup(context, { images, parent, discardOlder: fate.discardOlder })
    : undefined;
  const result: Packed = { ...packed, ...(freed ? { freedBytes: freed.freedBytes } : {}) };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result, null, 2)}\n`
      : `${show(result)}${freed ? showDeduplicated(freed) : ''}`,
  );
  return 0;
}

function show({ images, parent, ghosts, packed, ...bytes }: Packed): string {
  const [whole, data, map] = [bytes.wholeBytes, bytes.dataBytes, bytes.mapBytes].map(count =>
    showBytes(countFromJson(count)),
  );
  return [
    `${images}: ${packed} of ${counted(ghosts, 'ghost')} packed, ${whole} of images became ${data} of data and ${map} of maps`,
    ...(packed === 0
      ? [`nothing of 64 KiB or more is as in ${parent}; it stands alone as before`]
      : [`it needs ${parent} now; \`ghostkeep materialize -D ${images}\` makes it stand alone again`]),
  ]
    .map(line)
    .join('');
}
