import type { Finding } from '../../../base/documents/generated/doctor.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../../base/errors.js';
import { isInMemory } from '../../../base/filesystems.js';
import { showBytes } from '../../../base/units.js';
import { configPath } from '../../container/policy.js';
import { isThere } from '../../directory/is-there.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { asRoot, broken, type DoctorRequest, type Examine, ok, warning } from '../look/finding.js';
import { type ImageFolder, imageFolders } from '../look/image-folders.js';
import { mountOf } from '../look/mounts.js';
import { hostPolicy } from '../look/policy.js';
import { quoted } from '../look/programs.js';
import { type TriedEngine, tryEngine } from '../trial/engine-trial.js';

const name = 'images';
/**
 * With less room than the first a folder counts as full, with less than the second we warn. A checkpoint
 * without any ghost needs some MiB.
 */
const [tooLittle, little] = [80n << 20n, 256n << 20n];

/**
 * Looks at the folders where engines put images: which file system each is on, which of our engines copies
 * ghosts there, and how much room there is.
 */
export const examineImages: Examine = async (context, request) => {
  const findings: Finding[] = [];
  for (const folder of foldersOf(context, request)) findings.push(await describe(context, folder));
  if (findings.length > 0) return { findings };
  const says = 'no engine has a folder for images here; -D DIR looks at the one that you use';
  return { findings: [ok(name, says)] };
};

function foldersOf(context: TestbedContext, { images }: DoctorRequest): ImageFolder[] {
  return [...(images === undefined ? [] : [{ engine: '-D', folder: images }]), ...imageFolders(context)];
}

async function describe(context: TestbedContext, place: ImageFolder): Promise<Finding> {
  const { engine, folder, makeRoom, another } = place;
  const who = `${engine}: ${folder}`;
  const there = isThere(context, folder);
  if (there === 'silent') {
    const mount = mountOf(context, folder)?.mountPoint.toString('utf8') ?? folder;
    return broken(name, `${who}: the file server does not answer`, `umount --lazy ${quoted(mount)}`);
  }
  if (there === 'no') return broken(name, `${who}: there is no such folder`, `mkdir -p ${quoted(folder)}`);
  const real = context.host.files.realPath(folder);
  const filesystem = mountOf(context, real)?.filesystem ?? 'an unknown file system';
  const free = context.host.files.freeBytes(real);
  const room = free === undefined ? 'it does not say how much is free' : `${showBytes(free)} free`;
  if (free !== undefined && free < tooLittle) {
    const largest = `du -xh ${quoted(real)} | sort -h | tail -n 20`;
    return broken(name, `${who} on ${filesystem} is full: ${room}`, makeRoom ?? largest);
  }
  const tried = await attempt(context, real);
  if (typeof tried === 'string') {
    const other = context.host.uid() === 0 ? undefined : asRoot;
    return warning(name, `${who} on ${filesystem}: ${tried}`, other);
  }
  const shown = `${who} on ${filesystem}: ${showEngine(tried)}, ${room}`;
  if (tried.inVain)
    return broken(
      name,
      `${who}: ${configPath} asks for the engine fiemap, and ${filesystem} has no FIEMAP there`,
      `sed -i 's/"fiemap"/"auto"/' ${configPath}`,
    );
  if (free !== undefined && free < little) return warning(name, shown, makeRoom);
  if (isInMemory(filesystem)) {
    const says = `${shown}; images there take memory${another === undefined ? '' : `; ${another.says}`}`;
    return warning(name, says, another?.command);
  }
  return ok(name, shown);
}

/** @returns what was tried, or the reason why nothing was */
async function attempt(context: TestbedContext, folder: string): Promise<TriedEngine | string> {
  const settings = hostPolicy(context);
  try {
    return await tryEngine(context, folder, 'fault' in settings ? 'auto' : settings.policy.engine);
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    return `nothing could be written there: ${reasonOf(error)}`;
  }
}

function showEngine({ engine, isShared }: TriedEngine): string {
  const slow = engine === 'read' ? ' (files are read as a whole)' : '';
  return `engine ${engine}${slow}, ${isShared ? 'shares blocks' : 'copies bytes'}`;
}
