import { constants } from 'node:os';

/**
 * Every failure that ghostkeep can name. A new one is an entry in error-codes.json, which says what it means
 * and what to do, and from which docs/errors.md is made. Codes are stable: scripts test for them.
 */
export type ErrorCode = keyof typeof import('./error-codes.json', { with: { type: 'json' }});

/**
 * The one error class. `message` says action, object, reason, and the way out where there is one;
 * `subject` is the thing itself (a path, a ghost's dev/ino, a key), for logs and JSON.
 */
export class GhostkeepError extends Error {
  readonly code: ErrorCode;
  readonly subject: string;

  constructor(code: ErrorCode, subject: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GhostkeepError';
    this.code = code;
    this.subject = subject;
  }
}

/** What a log's line about an error carries. */
export function fieldsOf(error: unknown): { code?: ErrorCode; subject?: string } {
  return error instanceof GhostkeepError ? { code: error.code, subject: error.subject } : {};
}

/** The errno name (`ENOENT`) of an error from Node or from the engine; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno } = error as NodeJS.ErrnoException;
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code;
  return typeof errno === 'number' ? errnoName(errno) : undefined;
}

/**
 * Node itself has no name for some numbers, ESTALE, EBADMSG and EDQUOT among them.
 * @param errno negative, as Node's
 */
export function errnoName(errno: number): string | undefined {
  return errnoNames.get(-errno);
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));

/** @param mount how its mount point is shown */
export function silentServer(mount: string, filesystem: string): Error {
  const message = `the server of ${mount} (${filesystem}) does not answer`;
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}

/** What to show of an unknown thrown value, on one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(
      /^Unknown system error (-\d+): Unknown system error -\d+/,
      (all, errno: string) => errnoName(Number(errno)) ?? all,
    );
}

/**
 * Give an error that is not ours yet a code: by its errno where that says more than `code`.
 * @param action what was being done, as `cannot seal /images`: it begins the message
 */
export function translate(error: unknown, code: ErrorCode, subject: string, action: string): GhostkeepError {
  if (error instanceof GhostkeepError) return error;
  return new GhostkeepError(
    codeByErrno[errnoOf(error) ?? ''] ?? code,
    subject,
    `${action}: ${reasonOf(error)}`,
    {
      cause: error,
    },
  );
}

const codeByErrno: Record<string, ErrorCode> = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
  ESTALE: 'GHOST_CHANGED',
};
