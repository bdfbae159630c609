/**
 * A table for each ghost says what its receiver has acknowledged. Tables lie below /run, so they are gone
 * after a reboot. If a table is lost, its ghost is sent again, which costs time only.
 */
import path from 'node:path';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { isPrivate } from '../../image/own-folder.js';
import type { Context } from '../context.js';

/** A move is over if nothing has happened to its tables for so long. */
const forgottenNs = 7n * 24n * 3600n * 1_000_000_000n;

const movesFolder = (host: Host): string =>
  host.uid() === 0 ? '/run/ghostkeep/moves' : `/run/user/${host.uid()}/ghostkeep/moves`;

/**
 * Opens the folder of the tables for RECEIVER, 32 hexadecimal digits. The caller closes the descriptor.
 * @throws PERMISSION, NO_SPACE, IO
 */
export function openTables(context: Context, receiver: string): number {
  const { host } = context;
  const all = movesFolder(host);
  try {
    host.files.makeDirectory(all, 0o700);
    if (!isPrivate(host, all) || !isPrivate(host, path.dirname(all)))
      throw new GhostkeepError(
        'PERMISSION',
        all,
        `cannot note in ${all} what the receiver has: others may write to it, or it belongs to somebody else`,
      );
    removeForgotten(context, all, receiver);
    return host.files.openFolder(`${all}/${receiver}`);
  } catch (error) {
    throw translate(error, 'IO', all, `cannot note in ${all} what the receiver has`);
  }
}

/**
 * Removes the tables of a move that is over: its receiver has everything under its final names, or nobody has
 * gone on with it for a week.
 */
export function removeTables({ host, log }: Context, receiver: string): void {
  const folder = `${movesFolder(host)}/${receiver}`;
  try {
    host.files.removeTree(folder);
  } catch (error) {
    log.info(`${folder} stays: ${reasonOf(error)}`);
  }
}

function removeForgotten(context: Context, all: string, receiver: string): void {
  for (const name of forgottenIn(context, all)) if (name !== receiver) removeTables(context, name);
}

/** The folders of moves that are over, for `ghostkeep doctor`. */
export function forgottenMoves(context: Context): string[] {
  const all = movesFolder(context.host);
  try {
    return isPrivate(context.host, all) ? forgottenIn(context, all).map(name => `${all}/${name}`) : [];
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

function forgottenIn({ host: { files, now } }: Context, all: string): string[] {
  const nowNs = BigInt(now().getTime()) * 1_000_000n;
  return files.list(all).filter(name => {
    if (!/^[0-9a-f]{32}$/.test(name)) return false;
    try {
      return files.statPath(`${all}/${name}`).mtimeNs + forgottenNs < nowNs;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  });
}
