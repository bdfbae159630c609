import type { Manifest } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Files, ProcessView } from '../../base/host/host.js';
import { Bases, basesIn } from '../../flows/bases/bases.js';
import { assertMayReplace } from '../../flows/chain/children.js';
import { assertNothingMissing } from '../../flows/choose/left-out.js';
import { readConfig } from '../../flows/container/policy.js';
import { startTimeOf } from '../../flows/container/sessions.js';
import type { Context } from '../../flows/context.js';
import { assertParentFits } from '../../flows/dedup/parent-fits.js';
import { assertNoImages } from '../../flows/directory/other-images.js';
import { asOwner } from '../../flows/directory/owner.js';
import { imageMode } from '../../flows/dump/copy-one.js';
import { dumpGhosts } from '../../flows/dump/dump.js';
import { WarmImages } from '../../flows/dump/warm-images.js';
import { Mover, patienceMs } from '../../flows/move/mover.js';
import { sendElsewhere } from '../../flows/move/send-copies.js';
import { sendOwned } from '../../flows/move/send-images.js';
import type { Target } from '../../flows/move/target.js';
import { selectPids } from '../../flows/scan/select.js';
import { sealImages } from '../../flows/seal/seal.js';
import { clearImages } from '../../image/clear-images.js';
import { holdsDump, readManifest } from '../../image/manifest.js';
import { type Policy, resolvePolicy } from '../../oci/policy.js';
import { oneOf, parse, required, usage } from '../args.js';
import { orUndo } from '../ending/interrupt.js';
import { watch } from '../ending/watch.js';
import { dumpFrozen, isOfFrozen, tellCopied, thawAfterOwner } from '../frozen-dump.js';
import { packDumped, packingOf } from '../options/dump-parent.js';
import { selection, selectionOptions } from '../options/selection.js';
import { targetOf, targetOptions } from '../options/target.js';
import { printJson } from '../print/json.js';
import { printAll } from '../print/output.js';
import { showDump } from '../print/show-dump.js';
import { contextWithProgress, progressFdOf, progressOption, verboseOption } from '../progress/for-command.js';

export async function dumpCommand(args: string[]): Promise<number> {
  try {
    return await dump(args);
  } finally {
    // dumpCommand's caller prints an error only after this, because a reader of the error may be slow.
    tellCopied();
    thawAfterOwner();
  }
}

async function dump(args: string[]): Promise<number> {
  const { values } = parse('dump', args, {
    ...selectionOptions,
    ...targetOptions,
    cgroup: { type: 'string' },
    freeze: { type: 'boolean' },
    'images-dir': { type: 'string', short: 'D' },
    engine: { type: 'string' },
    digest: { type: 'boolean' },
    'detect-zeroes': { type: 'boolean' },
    'allow-missing': { type: 'boolean' },
    'require-frozen': { type: 'boolean' },
    base: { type: 'string' },
    parent: { type: 'string' },
    'auto-dedup': { type: 'boolean' },
    'discard-older': { type: 'boolean' },
    json: { type: 'boolean' },
    ...verboseOption,
    ...progressOption,
  });
  const images = required('dump', '-D', values['images-dir']);
  const chosen = selection('dump', values);
  if (!chosen) throw usage('dump', '--pid, --container, --tree or --cgroup is missing');
  const context = {
    ...contextWithProgress({ ...values, progressFd: progressFdOf('dump', values.progress) }),
    watch,
  };
  const policy = resolvePolicy(readConfig(context), {
    ...(values.engine === undefined
      ? {}
      : { engine: oneOf('dump', '--engine', values.engine, ['auto', 'fiemap', 'seek', 'read']) }),
    ...(values.digest ? { verify: 'digest' as const } : {}),
    ...(values['allow-missing'] ? { allowMissing: true } : {}),
  });
  const target = targetOf(context, 'dump', values);
  if (target && values.base !== undefined)
    throw usage('dump', '--base is for images in a directory, and with --to or --via there are none');
  const packing = packingOf(values);
  if (packing && target)
    throw usage('dump', '--parent is for images in a directory, and with --to or --via there are none');
  if (packing) assertParentFits(context, packing.parent, packing);
  for (const pid of chosen.pids ?? []) assertThere(context.host.processes, pid);
  const end = (manifest: Manifest, more = '') => {
    if (values.json) printJson(manifest);
    else {
      printAll(showDump(manifest, { where: context.host.files.realPath(images) }));
      process.stdout.write(more);
    }
    return 0;
  };
  if (values.freeze) {
    const status = await dumpFrozen(context, chosen, args);
    if (status !== 0 || !packing) return status;
    const { manifest, more } = await packDumped(context, images, packing);
    return end(manifest, more);
  }
  const pids = selectPids(context.host, chosen);
  context.host.files.makeDirectory(images, 0o700);
  const { manifest } = await asOwner(context, images, async owned => {
    assertMayReplace(context, owned);
    assertNoDump(context.host.files, owned);
    assertNoImages(context, owned);
    const warm = withBases(context, owned, values.base, policy);
    const mover = target && moverTo(context, target);
    const undo = () => {
      warm.giveBack();
      clearImages(context.host, owned, basesIn(context, owned));
      return `nothing is dumped, and what was copied into ${images} is removed`;
    };
    return orUndo(undo, async () => {
      await mover?.connect();
      await dumpGhosts(context, {
        images: owned,
        pids,
        policy: { ...policy, detectZeroes: values['detect-zeroes'] ?? false },
        criu: false,
        requireFrozen: values['require-frozen'] ?? false,
        staysFrozen: values['require-frozen'] ?? isOfFrozen(),
        ...(mover ? { elsewhere: sendElsewhere(mover) } : { warm }),
      });
      const sealed = sealImages(context, owned, { durable: true });
      if (!target) return sealed;
      await sendOwned(context, owned, target, mover);
      return { manifest: readManifest(context.host.files, owned) };
    }).finally(async () => {
      warm.bases?.letGo();
      await mover?.close();
    });
  }).finally(tellCopied);
  if (!packing) end(manifest);
  else if (!isOfFrozen()) {
    const packed = await packDumped(context, images, packing);
    end(packed.manifest, packed.more);
  }
  // With --freeze, the parent of this process packs, after it has thawed the processes (frozen-dump.ts).
  assertNothingMissing(manifest, context.host.files.realPath(images), policy);
  return 0;
}

/** Makes the mover of a dump. The policy's moveDeadline limits its waits, because processes may be frozen. */
function moverTo(context: Context, target: Target): Mover {
  const resumeMs = resolvePolicy(readConfig(context)).moveDeadlineMs;
  return new Mover(context, target, 'dump', {
    resumeMs,
    patienceMs: Math.min(patienceMs, resumeMs),
    isUrgent: true,
  });
}

/**
 * Looks for bases in the directory that --base names, and in that of the images, where a round may have put
 * some.
 */
function withBases(
  context: Context,
  images: string,
  base: string | undefined,
  { reserve }: Policy,
): WarmImages {
  const { files } = context.host;
  const folders = base === undefined ? [] : [files.realPath(required('dump', '--base', base))];
  const bases = new Bases(context, images, [images, ...folders], {
    mode: imageMode({ criu: false }),
    reserve,
  });
  if (base !== undefined && !bases.mayHave) context.log.warn(`there is no base of ours in ${base}`);
  return new WarmImages(files, images, context.log, bases);
}

/**
 * The user has named this process, so it must exist. Other callers dump trees of processes, in which one may
 * have ended.
 */
function assertThere(processes: ProcessView, pid: number): void {
  if (startTimeOf(processes, pid) !== undefined) return;
  const what = `process ${pid}`;
  throw new GhostkeepError('HOLDER_GONE', what, `cannot dump ${what}: there is none`);
}

/** Refuses a directory that holds a dump, because that may be the only copy of files that are gone. */
function assertNoDump(files: Files, images: string): void {
  if (!holdsDump(files, images)) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot dump into ${where}: there is a dump in it already; choose another directory, or remove that one`,
  );
}
