import type { Context } from '../context.js';
import { watchLock } from './base-records.js';

/** Bytes that stay free besides bases. Nobody can write as many between two looks. */
export const leastFree = 256n << 20n;

/**
 * Starts the process that watches the room on the disk of IMAGES as long as bases lie there
 * (native/hook/bases/watch.c). If there is one already, the new one ends. @throws an errno error
 */
export function leaveWatcher({ host }: Context, images: string, reserve = 0n): void {
  host.commands.leave(['watch-bases', images, watchLock(host, images), String(leastFree + reserve)]);
}
