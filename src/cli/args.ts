import { type ParseArgsConfig, parseArgs } from 'node:util';
import { GhostkeepError } from '../base/errors.js';
import { parseId } from '../base/text/ghost-id.js';
import { nearest } from '../base/text/nearest.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Parses arguments with node:util parseArgs and turns its errors into ours. An option with one value may be
 * given once: of two values we could not know which was meant.
 * @param positionals how many there must be
 * @throws USAGE
 */
export function parse<const T extends Options>(
  command: string,
  args: string[],
  options: T,
  positionals: number | 'any' = 0,
) {
  try {
    const parsed = parseArgs({
      args,
      options,
      allowPositionals: positionals !== 0,
      strict: true,
      tokens: true,
    });
    assertOnce(parsed.tokens, options);
    if (positionals !== 'any' && parsed.positionals.length !== positionals)
      throw new Error(`it takes ${positionals} argument${positionals === 1 ? '' : 's'}`);
    return parsed;
  } catch (cause) {
    throw usage(command, reasonFrom((cause as Error).message, options));
  }
}

interface Token {
  kind: string;
  name?: string;
  rawName?: string;
}

function assertOnce(tokens: readonly Token[], options: Options): void {
  const seen = new Set<string>();
  for (const { name, rawName } of tokens) {
    const option = options[name ?? ''];
    if (!name || option?.type !== 'string' || option.multiple) continue;
    if (seen.has(name)) throw new Error(`${rawName} is given twice, it takes one value`);
    seen.add(name);
  }
}

/**
 * Shortens Node's message: its advice on values and arguments that begin with a dash does not apply to our
 * commands.
 */
function reasonFrom(message: string, options: Options): string {
  const missing = /^Option '(-[^', ]+).* argument (missing|is ambiguous)/.exec(message);
  if (missing) return `${missing[1]} has no value`;
  const text = message.replace(/\. (To specify a positional|This command does not take).*$/s, '');
  const [, unknown] = /^Unknown option '--([^'=]+)/.exec(message) ?? [];
  const meant = unknown === undefined ? undefined : nearest(unknown, Object.keys(options));
  const question = meant === undefined ? '' : `; did you mean --${meant}?`;
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}${question}`;
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
  throw usage(command, `${option} is ${value === undefined ? 'missing' : 'empty'}`);
}

export function oneOf<const T extends string>(
  command: string,
  option: string,
  value: string,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  const meant = nearest(value, allowed);
  // The list may be long, so it is left out where one word was probably meant.
  const must = meant === undefined ? `, it must be one of ${allowed.join(', ')}` : `; did you mean ${meant}?`;
  throw usage(command, `${option} is ${JSON.stringify(value)}${must}`);
}

/** @throws USAGE for anything but a whole number from 1 */
export function positive(command: string, option: string, text: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= 1 && value <= 0xffffffff) return value;
  throw usage(command, `${option} is ${JSON.stringify(text)}, it must be a whole number from 1`);
}

/**
 * A ghost's id: `0xa` as `ghostkeep show` lists it, `ghost-file-a.img` as its image is called, or `10`.
 * @throws USAGE
 */
export function ghostId(command: string, option: string, text: string): number {
  const id = parseId(text);
  if (id !== undefined) return id;
  const [, digits] = /^([0-9a-f]{1,8})$/.exec(text) ?? [];
  const meant = digits === undefined || /^0+$/.test(digits) ? '' : `; did you mean 0x${digits}?`;
  throw usage(
    command,
    `${option} is ${JSON.stringify(text)}, it must be an id that \`ghostkeep show\` lists, or the name of an image${meant}`,
  );
}
