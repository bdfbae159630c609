import { finishDump } from '../../flows/finish.js';
import { readConfig } from '../../flows/policy.js';
import { resolvePolicy } from '../../oci/policy.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../line.js';

export async function sealCommand(args: string[]): Promise<number> {
  const { values } = parse('seal', args, { 'images-dir': { type: 'string', short: 'D' } });
  const context = makeContext();
  const { manifest, now } = await finishDump(
    context,
    required('seal', '-D', values['images-dir']),
    resolvePolicy(readConfig(context)),
  );
  process.stdout.write(
    line(`${manifest.ghosts.length} ghosts, ${now ? 'sealed now' : `sealed before (${manifest.created})`}`),
  );
  return 0;
}
