import { assertNothingMissing } from '../../flows/choose/left-out.js';
import { readConfig } from '../../flows/container/policy.js';
import { finishPlacing } from '../../flows/receive/place.js';
import { finishDump } from '../../flows/seal/finish.js';
import { countGhosts } from '../../image/count-ghosts.js';
import { resolvePolicy } from '../../oci/policy.js';
import { parse } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function sealCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'seal',
    args,
    { ...imagesDirOption, json: { type: 'boolean' }, ...verboseOption },
    'any',
  );
  const context = contextWithProgress(parsed.values);
  const images = imagesDir('seal', parsed);
  const policy = resolvePolicy(readConfig(context));
  await finishPlacing(context, images);
  const { manifest, now } = await finishDump(context, images, policy);
  if (parsed.values.json) printJson(manifest);
  else
    process.stdout.write(
      line(`${countGhosts(manifest)}, ${now ? 'sealed now' : `sealed before (${manifest.created})`}`),
    );
  // The command that began the dump has ended before it could report what is missing.
  if (now) assertNothingMissing(manifest, context.host.files.realPath(images), policy);
  return 0;
}
