import { dedup } from '../../flows/dedup/dedup.js';
import { parse } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { showDeduplicated } from '../print/show-deduplicated.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function dedupCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'dedup',
    args,
    {
      ...imagesDirOption,
      'discard-older': { type: 'boolean' },
      'children-removed': { type: 'boolean' },
      'dry-run': { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const result = await dedup(contextWithProgress(values), {
    images: imagesDir('dedup', parsed),
    discardOlder: values['discard-older'] ?? false,
    childrenRemoved: values['children-removed'] ?? false,
    dryRun: values['dry-run'] ?? false,
  });
  if (values.json) printJson(result);
  else process.stdout.write(showDeduplicated(result));
  return 0;
}
