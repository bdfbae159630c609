import { dedup } from '../../flows/dedup/dedup.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';
import { printJson } from '../print/json.js';
import { showDeduplicated } from '../print/show-deduplicated.js';

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
