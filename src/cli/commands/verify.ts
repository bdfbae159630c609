import type { Manifest } from '../../base/documents/generated/manifest.js';
import { packedGhosts } from '../../chain/packed.js';
import { verify } from '../../flows/restore/verify.js';
import { countFiles, countGhosts, countUnchecked } from '../../image/count-ghosts.js';
import { readManifest } from '../../image/manifest.js';
import { parse } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { line, withCode } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function verifyCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'verify',
    args,
    {
      ...imagesDirOption,
      chain: { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const images = imagesDir('verify', parsed);
  const context = contextWithProgress(values);
  const result = await verify(context, images, { chain: values.chain ?? false });
  if (values.json) printJson(result);
  else if (result.damage.length === 0)
    process.stdout.write(
      line(`${result.images}: ${showChecked(readManifest(context.host.files, images), values.chain)}`),
    );
  else for (const { code, message } of result.damage) process.stdout.write(withCode(message, code));
  return result.damage.length === 0 ? 0 : 1;
}

/**
 * The line for an undamaged dump. It says what was checked: without a checksum nobody can find a changed byte
 * of content.
 */
export function showChecked(manifest: Manifest, chain = false): string {
  const { ghosts, leftOut = [], leftOutMore = 0 } = manifest;
  const packed = packedGhosts(manifest).length;
  const without = countUnchecked(manifest);
  const which = without === ghosts.length ? '' : ` for ${without}`;
  const missing = leftOut.length + leftOutMore;
  return [
    `${countGhosts(manifest)}, no damage found`,
    ...(without === 0
      ? []
      : [`structure only${which}: no checksums were recorded (policy \`verify: digest\`)`]),
    ...(packed === 0 || chain
      ? []
      : [`${packed} packed, their parents were not read (\`--chain\` reads them)`]),
    ...(missing === 0 ? [] : [`${countFiles(missing)} left out of the dump (\`ghostkeep show\` says why)`]),
  ].join('; ');
}
