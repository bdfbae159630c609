/**
 * Commands that install what is missing, by the package manager of this host and by how ghostkeep came here.
 */
import path from 'node:path';
import type { Bound } from '../../../base/bounds.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { ask, findProgram, quoted } from './programs.js';

const managers: [string, string, string][] = [
  ['apt-get', 'apt-get install', 'apt-get install --reinstall'],
  ['dnf', 'dnf install', 'dnf reinstall'],
  ['zypper', 'zypper install', 'zypper install --force'],
];
/** The bound of a file with one path in it. */
const pathBound: Bound = { bytes: 8192, code: 'IO' };

/** Installs a package of the distribution, or brings it up to date. */
export function installCommand(context: TestbedContext, name: string): string {
  const [, install = 'apt-get install'] = managerOf(context) ?? [];
  return `${install} ${name}`;
}

/** Puts every file of a package of the distribution back into its place. */
export function againCommand(context: TestbedContext, name: string): string {
  const [, , again = 'apt-get install --reinstall'] = managerOf(context) ?? [];
  return `${again} ${name}`;
}

/** Brings a library back that PROGRAM needs. @param library its file name: `libnl-3.so.200` */
export async function libraryCommand(
  context: TestbedContext,
  program: string,
  library: string,
): Promise<string> {
  if (managerOf(context)?.[0] !== 'apt-get') return againCommand(context, program);
  const { status, stdout } = await ask(context, ['dpkg', '-S', library]);
  const owner = /^([a-z0-9][a-z0-9+.:-]*): /m.exec(stdout)?.[1];
  // If no package has the library, its package was removed although others need it.
  return status === 0 && owner !== undefined ? againCommand(context, owner) : 'apt-get install --fix-broken';
}

/**
 * The version that the package manager would install: `3.17.1`; `none` where it has no such package.
 * @returns undefined where it cannot be known
 */
export async function candidateOf(context: TestbedContext, name: string): Promise<string | undefined> {
  if (managerOf(context)?.[0] !== 'apt-get') return undefined;
  const { status, stdout } = await ask(context, ['apt-cache', 'policy', name]);
  if (status !== 0) return undefined;
  // apt-cache(8) says nothing of a package that it does not know.
  if (stdout.trim() === '' || /^ +Candidate: \(none\)/m.test(stdout)) return 'none';
  return /^ +Candidate: (?:\d+:)?(\d+\.\d+(?:\.\d+)?)/m.exec(stdout)?.[1];
}

/** Puts every file of ghostkeep back into its place. */
export function reinstallCommand(context: TestbedContext): string {
  const home = homeOf(context);
  if (home === packageHome) return againCommand(context, 'ghostkeep');
  const tree = treeOf(context, home);
  const prefix = home.endsWith('/lib/ghostkeep') ? home.slice(0, -'/lib/ghostkeep'.length) : '/usr/local';
  const where = prefix === '/usr/local' ? '' : `PREFIX=${quoted(prefix)} `;
  // Without the tree, the user has to get one: the command is to be run in it.
  return `${where}bash ${tree === undefined ? 'install.sh' : quoted(`${tree}/install.sh`)}`;
}

/** Puts the gate where the installed CRIU looks for it. */
export function gateCommand(context: TestbedContext): string {
  return homeOf(context) === packageHome
    ? `bash ${packageHome}/install/follow-criu.sh`
    : reinstallCommand(context);
}

/** The folder that the program was installed into, or its source tree. */
export function homeOf({ testbed }: TestbedContext): string {
  return path.dirname(testbed.findBeside('package.json') ?? '/usr/local/lib/ghostkeep/package.json');
}

export const packageHome = '/usr/lib/ghostkeep';

/**
 * The source tree from which `install.sh` can be run. install.sh notes where it was run from. A source tree
 * and an npm package have an install.sh themselves. The install.sh in an installation only checks and
 * removes.
 */
function treeOf({ host }: TestbedContext, home: string): string | undefined {
  const { files } = host;
  const noted = files.readIfThere(`${home}/installed-from`, pathBound)?.toString('utf8').trim();
  const tree = files.exists(`${home}/installed`) ? noted : home;
  return tree?.startsWith('/') && files.exists(`${tree}/install.sh`) ? tree : undefined;
}

const managerOf = (context: TestbedContext) =>
  managers.find(([program]) => findProgram(context, program) !== undefined);
