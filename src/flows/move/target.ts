/** Where ghosts are sent: `--via COMMAND`, `--to ADDR`, and the policy's `moveTo`. */
import { type ErrorCode, GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import { splitWords } from '../../base/text/words.js';
import type { Context } from '../context.js';

export interface Target {
  /** The carrier: the path of a program, and its arguments. */
  words: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** As the user has named it. */
  shown: string;
}

/**
 * Only these variables of the caller's environment are passed on to the carrier: ssh needs them to find its
 * keys and its agent.
 */
const passedOn = ['HOME', 'USER', 'LOGNAME', 'SSH_AUTH_SOCK'] as const;
const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** @param option names in messages where TEXT comes from. @throws CODE */
export function viaCommand(
  { host: { files, environment } }: Context,
  text: string,
  option = '--via',
  code: ErrorCode = 'USAGE',
): Target {
  const words = splitWords(text);
  if (typeof words === 'string')
    throw new GhostkeepError(code, option, `cannot use ${option} ${JSON.stringify(text)}: ${words}`);
  const [program = '', ...more] = words;
  const found = findProgram(files, program);
  if (found === undefined)
    throw new GhostkeepError(
      code,
      option,
      `cannot use ${option} ${JSON.stringify(text)}: there is no program ${program} in ${searched.join(':')}; name it with its path`,
    );
  const all = environment();
  const passed = passedOn.flatMap(name => (all[name] === undefined ? [] : [[name, all[name]]]));
  return {
    words: [found, ...more],
    environment: { ...Object.fromEntries(passed), PATH: searched.join(':') },
    shown: text,
  };
}

function findProgram(files: Files, name: string): string | undefined {
  if (name.includes('/')) return files.exists(name) ? name : undefined;
  return searched.map(folder => `${folder}/${name}`).find(path => files.exists(path));
}

/** Our own carrier, which connects to a socket. @param more options of `carry`: TLS */
export function toAddress({ host }: Context, address: string, more: readonly string[] = []): Target {
  return {
    words: [...host.commands.own(), 'carry', ...more, '--', address],
    environment: { PATH: searched.join(':') },
    shown: address,
  };
}

/** The policy's `moveTo`: `via:COMMAND …`, `tls:HOST:PORT`, or an address. @throws BAD_POLICY */
export function toConfigured(context: Context, moveTo: string): Target {
  if (moveTo.startsWith('via:'))
    return { ...viaCommand(context, moveTo.slice(4), 'moveTo', 'BAD_POLICY'), shown: moveTo };
  if (moveTo.startsWith('tls:')) return { ...toAddress(context, moveTo.slice(4), ['--tls']), shown: moveTo };
  return toAddress(context, moveTo);
}
