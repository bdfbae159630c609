import type { GhostkeepError } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import { countToJson, showBytes } from '../../base/units.js';
import { readConfig } from '../../flows/container/policy.js';
import { type RestoredGhost, restoreGhosts } from '../../flows/restore/restore.js';
import { resolvePolicy } from '../../oci/policy.js';
import { ghostId, parse, required, usage } from '../args.js';
import { orUndo } from '../ending/interrupt.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { errorLine, line } from '../print/line.js';
import { printAll } from '../print/output.js';
import { showFiles, showWithheld } from '../print/show-restored.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function restoreCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'restore',
    args,
    {
      ...imagesDirOption,
      to: { type: 'string' },
      ghost: { type: 'string', multiple: true },
      names: { type: 'boolean' },
      'preserve-allocation': { type: 'boolean' },
      'allow-privileged': { type: 'boolean' },
      'keep-going': { type: 'boolean' },
      'auto-dedup': { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const images = imagesDir('restore', parsed);
  if (values.names && values['auto-dedup'])
    throw usage('restore', '--auto-dedup names files by their ids: a repeated command must find them again');
  const to = required('restore', '--to', values.to);
  const ids = (values.ghost ?? []).map(text => ghostId('restore', '--ghost', text));
  const context = contextWithProgress(values);
  const restored: RestoredGhost[] = [];
  const failed: GhostkeepError[] = [];
  let freedBytes: bigint | undefined;
  const goOn = (error: GhostkeepError) => {
    failed.push(error);
    process.stderr.write(errorLine(error));
  };
  const print = () => {
    if (values.json)
      printJson({
        ...toDocument(restored, failed),
        ...(freedBytes === undefined ? {} : { freedBytes: countToJson(freedBytes) }),
      });
    else printAll(showRestored(restored, freedBytes));
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
        names: values.names ?? false,
        preserveAllocation: values['preserve-allocation'] ?? false,
        reserve: resolvePolicy(readConfig(context)).reserve,
        allowPrivileged: values['allow-privileged'] ?? false,
        autoDedup: values['auto-dedup'] ?? false,
        onFreed: bytes => {
          freedBytes = bytes;
        },
        onRestored: each => restored.push(each),
        unfinished,
        ...(values['keep-going'] ? { onFailure: goOn } : {}),
      }),
    );
  } catch (error) {
    // If the restore fails, ghosts that it has restored stay, so we list them before the error.
    if (restored.length > 0 && !values.json) print();
    throw error;
  }
  if (restored.length > 0 || failed.length === 0 || values.json) print();
  return failed.length === 0 ? 0 : 1;
}

const toDocument = (restored: readonly RestoredGhost[], failed: readonly GhostkeepError[]) => ({
  restored: restored.map(({ id, path, ghost, missing, withheld }) => ({
    id,
    file: path,
    path: ghost.path,
    ...(ghost.pathBytes === undefined ? {} : { pathBytes: ghost.pathBytes }),
    size: ghost.size,
    ...(missing.length === 0 ? {} : { missing }),
    ...(withheld.length === 0 ? {} : { withheld }),
  })),
  failed: failed.map(({ code, subject, message }) => ({ code, subject, message })),
});

function* showRestored(restored: readonly RestoredGhost[], freedBytes?: bigint): Generator<string> {
  yield* showFiles(restored);
  yield showWithheld(restored, 'the image');
  if (freedBytes !== undefined)
    yield line(`${showBytes(freedBytes)} of layers are free, whose bytes are in these files now`);
}
