/**
 * A dump without CRIU may have to leave content out, and nobody else keeps that content. So the manifest
 * lists it, and the dump fails unless the user has accepted that something is missing.
 */
import type { LeftOut, Manifest } from '../../base/documents/generated/manifest.js';
import type { Unseen } from '../../base/documents/generated/scan.js';
import { GhostkeepError } from '../../base/errors.js';
import { groupBy } from '../../base/group-by.js';
import type { Log } from '../../base/log.js';
import { pathToText } from '../../base/text/path-bytes.js';
import { showSome } from '../../base/text/show-some.js';
import { countToJson, showDev } from '../../base/units.js';
import { type Ghost, pathOf } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';

export type { LeftOut };

export const wayOut =
  '`dump --allow-missing`, or `allowMissing` in /etc/ghostkeep/config.json, accepts that something is missing';

/** The manifest's schema has the same bounds. */
const [mostLeftOut, longestWhat, longestWhy] = [4096, 100, 2000];

export function leaveGhost(ghost: Ghost, why: string): LeftOut {
  const { holders, stat } = ghost;
  const [{ pid, link } = { pid: 1, link: '' }] = holders;
  return {
    ...cut({ pid, what: link.replace('/', ' '), why }),
    ...pathToText(pathOf(ghost)),
    dev: showDev(stat.dev),
    ino: countToJson(stat.ino),
    size: countToJson(stat.size),
  };
}

export function leaveUnseen({ pid, what, why, inside, path, pathBytes }: Unseen): LeftOut {
  return {
    ...cut({ pid, what, why }),
    ...(inside ? { inside } : {}),
    ...(path === undefined ? {} : { path }),
    ...(pathBytes === undefined ? {} : { pathBytes }),
  };
}

function cut({ pid, what, why }: Pick<LeftOut, 'pid' | 'what' | 'why'>) {
  return { pid, what: what.slice(0, longestWhat), why: why.slice(0, longestWhy) };
}

/** Logs a line for each reason. @returns the part of the manifest that lists what is left out */
export function noteLeftOut(
  log: Log,
  leftOut: readonly LeftOut[],
): Pick<Manifest, 'leftOut' | 'leftOutMore'> {
  for (const text of showLeftOut(leftOut)) log.warn(`not in the dump: ${text}`);
  if (leftOut.length === 0) return {};
  const more = leftOut.length - mostLeftOut;
  return { leftOut: leftOut.slice(0, mostLeftOut), ...(more > 0 ? { leftOutMore: more } : {}) };
}

/** One line for each reason, with the first of the files that it applies to. */
export function showLeftOut(leftOut: readonly LeftOut[]): string[] {
  const reasons = groupBy(leftOut, ({ why }) => why, nameLeftOut);
  return [...reasons].map(([why, names]) => `${showSome(names)}: ${why}`);
}

function nameLeftOut({ pid, what, path }: LeftOut): string {
  return `${what} of process ${pid}${path === undefined ? '' : ` (${path})`}`;
}

/** @throws GHOST_LEFT_OUT if anything is missing; the dump is sealed and stays all the same */
export function assertNothingMissing(manifest: Manifest, images: string, policy: Policy): void {
  const { leftOut = [], leftOutMore = 0 } = manifest;
  const [first] = leftOut;
  if (!first || policy.allowMissing) return;
  const count = leftOut.length + leftOutMore;
  const others = count === 1 ? '' : ` and ${count - 1} more`;
  throw new GhostkeepError(
    'GHOST_LEFT_OUT',
    images,
    `cannot call the dump in ${images} complete: it has no content of ${nameLeftOut(first)}${others}, for the reasons that \`ghostkeep show -D ${images}\` lists; what it has is sealed and can be restored; ${wayOut}`,
  );
}
