import type { ErrorCode } from '../../base/errors.js';

/** Adds the way out to a message if the kernel has refused something to a user who is not root. */
export function sayRoot(code: ErrorCode | string, message: string, uid = process.getuid?.()): string {
  const isRefused = code === 'PERMISSION' && /\bE(ACCES|PERM)\b/.test(message);
  return uid === 0 || !isRefused || /\broot\b/.test(message) ? message : `${message}; run it as root`;
}
