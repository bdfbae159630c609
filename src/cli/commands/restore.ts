import { countFromJson, showBytes } from '../../base/units.js';
import { restoreGhosts } from '../../flows/restore.js';
import { parse, positive, required } from '../args.js';
import { makeContext } from '../context.js';
import { table } from '../table.js';

export async function restoreCommand(args: string[]): Promise<number> {
  const { values } = parse('restore', args, {
    'images-dir': { type: 'string', short: 'D' },
    to: { type: 'string' },
    ghost: { type: 'string', multiple: true },
    'preserve-allocation': { type: 'boolean' },
  });
  const images = required('restore', '-D', values['images-dir']);
  const to = required('restore', '--to', values.to);
  const ids = (values.ghost ?? []).map(text => positive('restore', '--ghost', text));
  const restored = await restoreGhosts(makeContext(), {
    images,
    to,
    only: ids,
    preserveAllocation: values['preserve-allocation'] ?? false,
  });
  const rows = restored.map(({ path, ghost, missing }) => [
    path,
    showBytes(countFromJson(ghost.size)),
    missing.join(', '),
    ghost.path,
  ]);
  process.stdout.write(table(['file', 'size', 'could not set', 'was'], rows));
  return 0;
}
