import type { GhostkeepError } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { readConfig } from '../../flows/container/policy.js';
import { type RestoredGhost, restoreGhosts } from '../../flows/restore/restore.js';
import { resolvePolicy } from '../../oci/policy.js';
import { parse, positive, required } from '../args.js';
import { makeContext } from '../context.js';
import { orUndo } from '../ending/interrupt.js';
import { errorLine } from '../print/line.js';
import { printAll } from '../print/output.js';
import { showWithheld } from '../print/show-restored.js';
import { table } from '../print/table.js';

export async function restoreCommand(args: string[]): Promise<number> {
  const { values } = parse('restore', args, {
    'images-dir': { type: 'string', short: 'D' },
    to: { type: 'string' },
    ghost: { type: 'string', multiple: true },
    'preserve-allocation': { type: 'boolean' },
    'allow-privileged': { type: 'boolean' },
    'keep-going': { type: 'boolean' },
  });
  const images = required('restore', '-D', values['images-dir']);
  const to = required('restore', '--to', values.to);
  const ids = (values.ghost ?? []).map(text => positive('restore', '--ghost', text));
  const context = makeContext();
  const restored: RestoredGhost[] = [];
  let failures = 0;
  const goOn = (error: GhostkeepError) => {
    failures += 1;
    process.stderr.write(errorLine(error));
  };
  const unfinished = new Set<string>();
  const undo = () => {
    for (const path of unfinished) context.host.files.remove(path);
    return `what was not finished is removed; ${counted(restored.length, 'ghost is', 'ghosts are')} whole and ${restored.length === 1 ? 'stays' : 'stay'} in ${to}`;
  };
  try {
    await orUndo(undo, () =>
      restoreGhosts(context, {
        images,
        to,
        only: ids,
        preserveAllocation: values['preserve-allocation'] ?? false,
        reserve: resolvePolicy(readConfig(context)).reserve,
        allowPrivileged: values['allow-privileged'] ?? false,
        onRestored: each => restored.push(each),
        unfinished,
        ...(values['keep-going'] ? { onFailure: goOn } : {}),
      }),
    );
  } catch (error) {
    // Ghosts that were restored stay, so we list them.
    if (restored.length > 0) printAll(showRestored(restored));
    throw error;
  }
  if (restored.length > 0 || failures === 0) printAll(showRestored(restored));
  return failures === 0 ? 0 : 1;
}

function* showRestored(restored: readonly RestoredGhost[]): Generator<string> {
  const rows = restored.map(({ path, ghost, missing }) => [
    path,
    showBytes(countFromJson(ghost.size)),
    missing.join(', '),
    ghost.path,
  ]);
  yield* table(['file', 'size', 'could not set', 'was'], rows);
  yield showWithheld(restored, 'the image');
}
