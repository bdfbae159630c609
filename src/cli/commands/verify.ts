import type { Manifest } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { packedGhosts } from '../../chain/packed.js';
import { criuAlone } from '../../flows/look/criu-alone.js';
import { type Dump, openDump } from '../../flows/look/open-dump.js';
import { verify } from '../../flows/restore/verify.js';
import { archives } from '../../host/archive/read-archive.js';
import { countFiles, countGhosts, countUnchecked } from '../../image/count-ghosts.js';
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
  const dump = await openDump(contextWithProgress(values), archives, imagesDir('verify', parsed));
  if (dump.archive !== undefined) assertWhole(dump);
  const result = await verify(dump.context, dump.images, {
    chain: values.chain ?? false,
    read: () => dump.manifest(),
  });
  if (values.json) printJson(result);
  else if (result.damage.length === 0)
    process.stdout.write(line(`${result.images}: ${showChecked(dump.manifest(), values.chain)}`));
  else for (const { code, message } of result.damage) process.stdout.write(withCode(message, code));
  return result.damage.length === 0 ? 0 : 1;
}

/** A layer is checked against the digests in its map, which come in another order than its bytes. */
function assertWhole(dump: Dump): void {
  let packed: number;
  try {
    packed = packedGhosts(dump.manifest()).length;
  } catch {
    // The check itself says what is wrong with the manifest.
    return;
  }
  if (packed === 0) return;
  throw new GhostkeepError(
    'ARCHIVE_INVALID',
    dump.where,
    `cannot verify ${dump.where}: it is a packed checkpoint, and layers cannot be checked inside an archive; unpack it and verify the directory`,
  );
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
      : manifest.tool === criuAlone
        ? ['structure only: CRIU records no checksums']
        : [`structure only${which}: no checksums were recorded (policy \`verify: digest\`)`]),
    ...(packed === 0 || chain
      ? []
      : [`${packed} packed, their parents were not read (\`--chain\` reads them)`]),
    ...(missing === 0 ? [] : [`${countFiles(missing)} left out of the dump (\`ghostkeep show\` says why)`]),
  ].join('; ');
}
