import { type ParseArgsConfig, parseArgs } from 'node:util';
import { GhostkeepError } from '../base/errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/** node:util parseArgs, with its errors as ours. @throws USAGE */
export function parse<const T extends Options>(command: string, args: string[], options: T, positionals = 0) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: positionals > 0, strict: true });
    if (parsed.positionals.length !== positionals)
      throw new Error(`it takes ${positionals} argument${positionals === 1 ? '' : 's'}`);
    return parsed;
  } catch (cause) {
    throw usage(command, (cause as Error).message);
  }
}

export function usage(command: string, reason: string): GhostkeepError {
  return new GhostkeepError(
    'USAGE',
    command,
    `cannot run ${command}: ${reason}; see \`ghostkeep ${command} --help\``,
  );
}

export function required(command: string, option: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw usage(command, `${option} is missing`);
}

export function oneOf<const T extends string>(
  command: string,
  option: string,
  value: string,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  throw usage(command, `${option} is ${JSON.stringify(value)}, it must be one of ${allowed.join(', ')}`);
}

/** @throws USAGE for anything but a whole number from 1 */
export function positive(command: string, option: string, text: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= 1 && value <= 0xffffffff) return value;
  throw usage(command, `${option} is ${JSON.stringify(text)}, it must be a whole number from 1`);
}
