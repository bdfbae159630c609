import { createHash } from 'node:crypto';
import type { Bound } from '../../../base/bounds.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import { showSome } from '../../../base/text/show-some.js';
import { configPath } from '../../container/policy.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { asRoot, broken, type Examine, ok, warning } from '../look/finding.js';
import { ask, findProgram } from '../look/programs.js';
import { homeOf, packageHome, reinstallCommand } from '../look/way-out.js';

const name = 'ghostkeep';
/** The executable has some 110 MiB. */
const fileBound: Bound = { bytes: 512 << 20, code: 'IO' };
const listBound: Bound = { bytes: 4 << 20, code: 'IO' };
/** The lines about the gate and about hooks.d look at these files. */
const isSeenElsewhere = /\/criu\/ghostkeep\.so$|\/hooks\.d\/ghostkeep-\w+\.json$/;
const sumsOfPackage = '/var/lib/dpkg/info/ghostkeep.md5sums';

/** Is every file of this installation as it was installed, and does the native library load? */
export const examineProgram: Examine = async context => {
  const again = reinstallCommand(context);
  try {
    context.host.processes.threadsApart(context.host.processes.self());
  } catch (error) {
    return { findings: [broken(name, reasonOf(error), again)] };
  }
  const all = installedFiles(context);
  const files = all.filter(({ path }) => !isSeenElsewhere.test(path));
  const { tool } = context;
  const wrong = files.length === 0 ? await wrongForRpm(context) : [];
  if (wrong.length > 0) return { findings: [broken(name, notAsInstalled(context, wrong), again)] };
  if (files.length === 0) return { findings: [ok(name, `${tool}, from ${homeOf(context)}`)] };
  const [damaged, unread] = compare(context, files);
  if (damaged.length > 0) return { findings: [broken(name, notAsInstalled(context, damaged), again)] };
  const others = all.length - files.length;
  const elsewhere = others === 0 ? '' : ` (${others} more are in the lines gate and hooks.d)`;
  const shown = `${tool}, ${files.length - unread.length} files as they were installed${elsewhere}`;
  if (unread.length > 0)
    return { findings: [warning(name, `${shown}; could not be read: ${showSome(unread)}`, asRoot)] };
  return { findings: [ok(name, `${shown}, from ${homeOf(context)}`)] };
};

const notAsInstalled = ({ tool }: TestbedContext, files: readonly string[]) =>
  `${tool}: not as they were installed: ${showSome(files)}`;

/**
 * rpm keeps the checksums itself. Source: rpm(8), --verify: a 5 or `missing`, then `c` for a file of
 * settings.
 */
async function wrongForRpm(context: TestbedContext): Promise<string[]> {
  const rpm = homeOf(context) === packageHome ? findProgram(context, 'rpm') : undefined;
  if (rpm === undefined) return [];
  const { stdout } = await ask(context, [rpm, '--verify', 'ghostkeep']);
  return [...stdout.matchAll(/^(?:..5\S*|missing) +(?!c )(\/.*)$/gm)]
    .map(([, path]) => path as string)
    .filter(path => !isSeenElsewhere.test(path));
}

/** Lines of `HASH  PATH`, as install.sh and dpkg write them. A source tree has no such list. */
function installedFiles(context: TestbedContext): { hash: string; path: string }[] {
  const { files } = context.host;
  const home = homeOf(context);
  const list = home === packageHome ? sumsOfPackage : `${home}/installed`;
  const text = files.readIfThere(list, listBound)?.toString('utf8') ?? '';
  return [...text.matchAll(/^([0-9a-f]{32}|[0-9a-f]{64}) {2}\/?(.+)$/gm)]
    .map(([, hash = '', path]) => ({ hash, path: `/${path}` }))
    .filter(({ path }) => path !== configPath);
}

function compare(
  { host }: TestbedContext,
  files: readonly { hash: string; path: string }[],
): [damaged: string[], unread: string[]] {
  const [damaged, unread]: [string[], string[]] = [[], []];
  for (const { hash, path } of files) {
    try {
      const bytes = host.files.read(path, fileBound);
      const found = createHash(hash.length === 64 ? 'sha256' : 'md5')
        .update(bytes)
        .digest('hex');
      if (found !== hash) damaged.push(path);
    } catch (error) {
      const isRefused = errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM';
      (isRefused ? unread : damaged).push(path);
    }
  }
  return [damaged, unread];
}
