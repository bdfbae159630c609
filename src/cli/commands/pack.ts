import type { Packed } from '../../base/documents/generated/packed.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { pack } from '../../flows/history/pack.js';
import { parse, required } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function packCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'pack',
    args,
    { ...imagesDirOption, parent: { type: 'string' }, json: { type: 'boolean' }, ...verboseOption },
    'any',
  );
  const { values } = parsed;
  const result = await pack(contextWithProgress(values), {
    images: imagesDir('pack', parsed),
    parent: required('pack', '--parent', values.parent),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : show(result));
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
