/**
 * Does the gate's work around a runtime's own command, for a host whose CRIU has no plugin hook or where the
 * gate may not be installed: find and pin, tell CRIU through CRIU_CONFIG_FILE, run the command, copy, seal.
 *
 * Once CRIU has succeeded the container may be gone, and then only our pins keep the ghosts. So we close them
 * only when the dump is sealed or the caller gives up.
 */

import { bounds } from '../../base/bounds.js';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { stillExternal } from '../../criu/files-image.js';
import { findGhosts } from '../../ghost/find/find.js';
import { clearImages } from '../../image/clear-images.js';
import { folder } from '../../image/layout.js';
import { holdsDump, manifestExists, readManifest, writeJournal } from '../../image/manifest.js';
import type { RuntimeCommand } from '../../oci/command-line.js';
import type { Policy } from '../../oci/policy.js';
import { gatherBases, nothingGathered } from '../bases/gather.js';
import { assertMayReplace } from '../chain/children.js';
import { chooseGhosts, needsCopy } from '../choose/choose.js';
import { assertNoneCame, assertNothingOnShm, judgeClosed } from '../choose/closed-on-shm.js';
import { EntryRoom } from '../choose/entry-room.js';
import { type PinnedGhost, pinGhosts, unpinGhosts } from '../choose/pin.js';
import { pinNamed } from '../choose/pin-named.js';
import { assertNamedKept, assertNothingLost, assertNothingNew, mustKeepShm } from '../choose/shared-shm.js';
import { notePause } from '../container/pause/paused.js';
import { policyOf } from '../container/policy.js';
import { resume, runtimeCall, runtimeWaitMs, stateOf } from '../container/runtime-calls.js';
import { startTimeOf } from '../container/sessions.js';
import type { Context } from '../context.js';
import { noteEarlierGhosts } from '../directory/other-images.js';
import { asOwner } from '../directory/owner.js';
import { thaw } from '../directory/thaw.js';
import { whyUnsealable } from '../directory/unsealable.js';
import { describeLinked, describeRenamedFolders, type Names } from '../dump/describe.js';
import { hasOurs, keysOfJournal, makeJournal } from '../dump/journal.js';
import { finishDump } from '../seal/finish.js';
import { leaveOutTooLarge } from './checkpoint-room.js';
import { warnOfGoneSources } from './warn-of-gone-sources.js';
import { patient, undo, withdraw } from './withdraw.js';

export interface CheckpointRequest {
  command: RuntimeCommand;
  argv: readonly string[];
  /** Path for a file with CRIU's options; it is removed afterwards. */
  configPath: string;
  /** The file that CRIU_CONFIG_FILE named before; its options stay in effect. */
  userConfig: string | undefined;
  /** Called when the runtime's command is about to begin. If it throws, the container runs on. */
  beforeCommand?: () => Promise<void>;
  /**
   * Called when finishing failed after CRIU succeeded. Resolves to true to try again, or to false to give up.
   */
  hold: (error: unknown) => Promise<boolean>;
}

export async function checkpoint(
  context: Context,
  request: CheckpointRequest,
): Promise<Manifest | undefined> {
  const { command } = request;
  assertMayReplace(context, command.images);
  const { pid, status } = await stateOf(context, command);
  const leftToCriu = whyUnsealable(context.host.files, command.images);
  if (leftToCriu) context.log.warn(leftToCriu);
  const { policy: wished } = policyOf(context, pid);
  if (leftToCriu) {
    const pids = context.host.processes.tree(pid);
    assertNothingOnShm(context, { policy: wished, pids }, status !== 'paused');
  }
  const policy = leftToCriu ? { ...wished, enabled: false } : wished;
  if (policy.enabled) warnOfGoneSources(context, pid);
  // We pause the container, because we would not see what it removes, links or writes before CRIU freezes it
  // and, if it is left running, before its ghosts are copied. We do not pause it if all is left to CRIU:
  // CRIU notes in cgroup.img that it is paused, and if CRIU encrypts that file, we cannot change it back.
  const forget =
    status === 'paused' || leftToCriu ? undefined : notePause(context, command, pid, request.configPath);
  const paused = forget !== undefined && (await pause(context, request, forget));
  try {
    return await aroundCommand(context, request, pid, policy, paused);
  } finally {
    if (paused) await resume(context, command);
    forget?.();
  }
}

async function aroundCommand(
  context: Context,
  request: CheckpointRequest,
  pid: number,
  policy: Policy,
  paused: boolean,
): Promise<Manifest | undefined> {
  const { processes, files } = context.host;
  const { images } = request.command;
  const startTime = startTimeOf(processes, pid);
  const pids = processes.tree(pid);
  const found = findGhosts(processes, pids, undefined, { named: true });
  const { chosen } = chooseGhosts(context, found, { policy, criu: true });
  assertNothingLost(context, { policy, pids }, found);
  judgeClosed(context, { policy, pids }, found);
  // A container that could not be paused runs on until CRIU freezes it, and may open more until then.
  const mayOpenMore = !paused && mustKeepShm(context, { policy, pids });
  const renamed = policy.enabled ? describeRenamedFolders(found.ghosts) : {};
  const names = { ...describeLinked(context, chosen), ...renamed };
  const pinned = pinGhosts(processes, chosen.filter(needsCopy));
  try {
    for (const pin of pinNamed(context, { policy, pids }, found.named, chosen.length)) pinned.push(pin);
    if (pinned.length === 0 && !hasOurs({ ghosts: [], ...names })) {
      await asOwner(
        context,
        images,
        () => {
          clearImages(context.host, images);
        },
        { begins: true },
      );
      await runCommand(context, request, []);
      if (paused) await asOwner(context, images, () => thaw(files, images, { durable: true }), patient);
      if (mayOpenMore) {
        assertNothingNew(context, images);
        assertNoneCame(context, { policy, pids }, { images, before: found });
      }
      return undefined;
    }
    files.makeDirectory(images, 0o700);
    let gathered = nothingGathered;
    const journal = await asOwner(
      context,
      images,
      () => {
        const stats = pinned.filter(({ ghost }) => ghost.class !== 'linked').map(({ stat }) => stat);
        const { reserve } = policy;
        if (policy.enabled) gathered = gatherBases(context, { images, pids, reserve }, stats);
        try {
          const { bases } = gathered;
          const fitting = leaveOutTooLarge(context, { images, pids, policy }, pinned, bases);
          // If this refuses the dump, an earlier checkpoint in the directory has to stay as it is.
          const made = pinnedJournal(context, request, pids, fitting, names, policy, paused);
          clearImages(context.host, images, [...bases.keys()]);
          files.makeDirectory(`${images}/${folder}`);
          writeJournal(files, images, made, { durable: true });
          return made;
        } catch (error) {
          undo(context, images, gathered);
          throw error;
        }
      },
      { begins: true },
    );
    const keys = keysOfJournal(journal);
    try {
      await runCommand(context, request, keys);
    } catch (error) {
      if (stillRuns(context, pid, startTime)) {
        await withdraw(context, images, gathered);
        throw error;
      }
      // CRIU had finished and the runtime failed after it, so only our pins keep the ghosts.
      await finishOrHold(context, request, keys, policy, paused);
      throw error;
    }
    const manifest = await finishOrHold(context, request, keys, policy, paused);
    if (manifest && !policy.allowMissing) assertNamedKept(images, journal, manifest);
    if (mayOpenMore) {
      assertNothingNew(context, images, manifest);
      assertNoneCame(context, { policy, pids }, { images, before: found, manifest });
    }
    return manifest;
  } finally {
    unpinGhosts(processes, pinned);
  }
}

function pinnedJournal(
  context: Context,
  request: CheckpointRequest,
  pids: readonly number[],
  pinned: readonly PinnedGhost[],
  names: Names,
  policy: Policy,
  paused: boolean,
): Manifest {
  const { processes } = context.host;
  const { images, container } = request.command;
  const earlierGhosts = noteEarlierGhosts(context, images);
  const dump = { images, pids, policy, criu: true, container, earlierGhosts };
  const journal = makeJournal(context, dump, pinned, names);
  const self = processes.self();
  const startTime = processes.startTime(self);
  if (paused) journal.thaw = true;
  const pinOf = (index: number) => ({ pid: self, fd: (pinned[index] as PinnedGhost).fd, startTime });
  const room = new EntryRoom(context, dump);
  const entries = journal.ghosts.map((ghost, index) => ({ ...ghost, pin: pinOf(index) }));
  journal.ghosts = entries.filter(entry => room.hasFor(entry));
  return journal;
}

function stillRuns({ host: { processes } }: Context, pid: number, startTime: string | undefined): boolean {
  return startTime !== undefined && startTimeOf(processes, pid) === startTime;
}

/** Writes CRIU's file of options, the user's options first. Source: criu(8), Configuration files. */
async function runCommand(
  context: Context,
  request: CheckpointRequest,
  keys: readonly string[],
): Promise<void> {
  const { files, commands } = context.host;
  const user =
    request.userConfig === undefined ? undefined : files.readIfThere(request.userConfig, bounds.criuConfig);
  files.replace(
    request.configPath,
    Buffer.from(`${user?.toString('utf8') ?? ''}\n${keys.map(key => `external ${key}\n`).join('')}`),
    { durable: false },
  );
  try {
    await request.beforeCommand?.();
    const status = await commands.run(request.argv, { CRIU_CONFIG_FILE: request.configPath });
    const { program, verb, container, images } = request.command;
    if (status === 0) return;
    throw new GhostkeepError(
      'CHECKPOINT_FAILED',
      container,
      `cannot checkpoint ${container}: \`${program} ${verb}\` ended with status ${status}; CRIU's reason is in dump.log under ${images} or the --work-path; the container was left as ${program} left it`,
    );
  } finally {
    files.remove(request.configPath);
  }
}

async function finishOrHold(
  context: Context,
  request: CheckpointRequest,
  keys: readonly string[],
  policy: Policy,
  paused: boolean,
): Promise<Manifest | undefined> {
  const { files } = context.host;
  const { images } = request.command;
  for (;;) {
    try {
      // The gate may be installed as well and have done everything, or somebody has run `ghostkeep seal`
      // meanwhile.
      const isSealed = manifestExists(files, images);
      // Or the gate has found no ghost: a container that could not be paused may have closed its ghosts
      // before the freeze.
      const hasNoneOfOurs = () =>
        stillExternal(files.read(`${images}/files.img`, bounds.files), keys).size === 0;
      if (isSealed || (!holdsDump(files, images) && hasNoneOfOurs())) {
        if (paused) await asOwner(context, images, () => thaw(files, images, { durable: true }), patient);
        return isSealed ? readManifest(files, images) : undefined;
      }
      return (await finishDump(context, images, policy, patient)).manifest;
    } catch (error) {
      // A container that was left running still has its ghosts.
      if (request.command.leaveRunning || !(await request.hold(error))) throw error;
    }
  }
}

/** @returns false if it cannot be paused and need not be, because CRIU freezes it and ends it */
async function pause(
  context: Context,
  { command, configPath }: CheckpointRequest,
  forget: () => void,
): Promise<boolean> {
  const { commands } = context.host;
  // By this variable paused.ts recognises the runtime's process while it runs, even if we are killed.
  const ours = { CRIU_CONFIG_FILE: configPath };
  const { status, stderr } = await commands.output(runtimeCall(command, 'pause'), runtimeWaitMs, ours);
  if (status === 0) return true;
  const why = `it cannot be paused (${stderr.trim()})`;
  // A pause that failed half way, or took too long, may have frozen the container.
  await resume(context, command);
  forget();
  if (!command.leaveRunning) {
    context.log.warn(
      `${command.container} runs on until CRIU freezes it: ${why}; what it removes until then may be missing`,
    );
    return false;
  }
  throw new GhostkeepError(
    'CHECKPOINT_FAILED',
    command.container,
    `cannot checkpoint ${command.container} and leave it running: ${why}, and it would go on writing while its ghosts are copied`,
  );
}
