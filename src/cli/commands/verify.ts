import type { Manifest } from '../../base/documents/generated/manifest.js';
import type { Verification } from '../../base/documents/generated/verification.js';
import { GhostkeepError } from '../../base/errors.js';
import { packedGhosts } from '../../chain/packed.js';
import type { Context } from '../../flows/context.js';
import { criuAlone } from '../../flows/look/criu-alone.js';
import { type Dump, openDump } from '../../flows/look/open-dump.js';
import { notInImages, repairManifest } from '../../flows/look/repair.js';
import { verify } from '../../flows/restore/verify.js';
import { archives } from '../../host/archive/read-archive.js';
import { countFiles, countGhosts, countUnchecked } from '../../image/count-ghosts.js';
import { parse, usage } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { sayRoot } from '../print/as-root.js';
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
      repair: { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const context = contextWithProgress(values);
  const given = imagesDir('verify', parsed);
  const repaired = values.repair ? await repair(context, given) : undefined;
  const dump = await openDump(context, archives, given);
  if (dump.archive !== undefined) assertWhole(dump);
  const result = await verify(dump.context, dump.images, {
    chain: values.chain ?? false,
    read: () => dump.manifest(),
  });
  for (const each of result.damage) each.message = sayRoot(each.code, each.message);
  if (values.json) printJson({ ...result, ...(repaired ? { repaired } : {}) });
  else if (result.damage.length === 0)
    process.stdout.write(line(`${result.images}: ${showChecked(dump.manifest(), values.chain)}`));
  else for (const { code, message } of result.damage) process.stdout.write(withCode(message, code));
  return result.damage.length === 0 ? 0 : 1;
}

/**
 * Makes a lost or damaged manifest again. @returns undefined if the manifest was whole, and nothing was done
 */
async function repair(context: Context, given: string): Promise<Verification['repaired']> {
  const fd = archives.open(given);
  if (fd !== undefined) {
    context.host.files.close(fd);
    throw usage('verify', '--repair is for directories: unpack the archive first');
  }
  const { now, keptAs } = await repairManifest(context, given);
  if (!now) return undefined;
  const kept = keptAs === undefined ? '' : `; the damaged one is ${keptAs} now`;
  process.stderr.write(
    line(`the manifest was made again from the images, which do not have ${notInImages}${kept}`),
  );
  return { missing: notInImages, ...(keptAs === undefined ? {} : { keptAs }) };
}

/**
 * Refuses a packed checkpoint in an archive, which is read once from start to end. A layer is checked against
 * the digests in its map, and these come in another order than the layer's bytes.
 */
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
