import type { Materialized } from '../../base/documents/generated/materialized.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, countToJson, showBytes } from '../../base/units.js';
import { unpack } from '../../flows/history/unpack.js';
import { materialize } from '../../flows/restore/materialize.js';
import { parse, required } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function materializeCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'materialize',
    args,
    {
      ...imagesDirOption,
      to: { type: 'string' },
      'auto-dedup': { type: 'boolean' },
      'preserve-allocation': { type: 'boolean' },
      'accept-changed-inventory': { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const context = contextWithProgress(values);
  const images = imagesDir('materialize', parsed);
  const to = values.to === undefined ? undefined : required('materialize', '--to', values.to);
  const autoDedup = values['auto-dedup'] ?? false;
  const { unpacked, freedBytes } = await unpack(context, { images, to, autoDedup });
  const result: Materialized = {
    ...(await materialize(context, {
      images: to ?? images,
      preserveAllocation: values['preserve-allocation'] ?? false,
      acceptChangedInventory: values['accept-changed-inventory'] ?? false,
    })),
    ...(unpacked > 0 ? { unpacked } : {}),
    ...(autoDedup ? { freedBytes: countToJson(freedBytes) } : {}),
  };
  if (values.json) printJson(result);
  else process.stdout.write(show(result));
  return 0;
}

function show({ images, ghosts, ...result }: Materialized): string {
  const { preserveAllocation, allocationBytes, allocationUnknown } = result;
  const bytes = showBytes(countFromJson(allocationBytes));
  const lines = [`${images}: ${counted(ghosts, 'ghost')}, whole, stands alone`];
  if (result.unpacked) lines.push(`${counted(result.unpacked, 'ghost')} put together from their layers`);
  if (result.freedBytes !== undefined)
    lines.push(
      `${showBytes(countFromJson(result.freedBytes))} of layers are free, whose bytes are in the images now`,
    );
  if (result.acceptedInventory) lines.push('inventory.img as it is now belongs to this checkpoint');
  if (preserveAllocation)
    lines.push(`space that was allocated and never written comes back at restore: ${bytes}`);
  if (preserveAllocation && allocationUnknown.length > 0)
    lines.push(
      `not known of ${counted(allocationUnknown.length, 'ghost')}, whose file system has no map of it`,
    );
  return lines.map(line).join('');
}
