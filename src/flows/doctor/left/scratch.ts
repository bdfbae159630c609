/**
 * Folders that `doctor`, `demo` and `try-hooks` work in. Each command removes its own, unless it is killed.
 */
import { errnoOf } from '../../../base/errors.js';
import { isPrivate } from '../../../image/own-folder.js';
import { isThere } from '../../directory/is-there.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { imageFolders } from '../look/image-folders.js';
import { variable } from '../look/programs.js';

/** makeScratch in src/host/testbed.ts gives these names. */
const pattern = /^ghostkeep-try-[A-Za-z0-9]{6}$/;
/** A folder that was not changed for this long is left over: none of these commands takes an hour. */
const oldMs = 3_600_000n;

/** The folders of this user that no command works in any more. */
export function oldScratch(context: TestbedContext): string[] {
  const { host } = context;
  const temporary = variable(context, 'TMPDIR');
  const places = [
    '/var/tmp',
    '/tmp',
    '/var/lib',
    '/root',
    ...(temporary?.startsWith('/') ? [temporary] : []),
  ];
  const all = [...places, ...imageFolders(context).map(({ folder }) => folder)];
  const answering = [...new Set(all)].filter(place => isThere(context, place) === 'yes');
  const before = (BigInt(host.now().getTime()) - oldMs) * 1_000_000n;
  return answering.flatMap(place =>
    list(context, place)
      .filter(name => pattern.test(name))
      .map(name => `${place}/${name}`)
      .filter(folder => isPrivate(host, folder) && host.files.statPath(folder).mtimeNs < before),
  );
}

function list({ host }: TestbedContext, folder: string): string[] {
  try {
    return host.files.list(folder);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}
