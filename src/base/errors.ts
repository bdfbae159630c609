import { constants } from 'node:os';

/**
 * Every failure that ghostkeep can name. To add one, add an entry to error-codes.json; it gives the meaning
 * and the remedy, and docs/errors.md is made from it. Codes are stable: scripts test for them.
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

/** The fields that a log line about an error has. */
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
 * The name of an errno, by the table in os.constants. That table also has numbers for which the errors of
 * Node have no name and say `Unknown system error`, among them ESTALE, EBADMSG and EDQUOT.
 * @param errno negative, as in Node
 */
export function errnoName(errno: number): string | undefined {
  return errnoNames.get(-errno);
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));

/** @param mount is the mount point as text */
export function silentServer(mount: string, filesystem: string): Error {
  const message = `the server of ${mount} (${filesystem}) does not answer`;
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}

/** The text to show for an unknown thrown value, on one line. */
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
 * Give a code to an error that is not ours yet: the code of its errno where that says more than `code`.
 * @param action begins the message: `cannot seal /images`
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
