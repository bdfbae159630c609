import { GhostkeepError } from '../../base/errors.js';
import type { Context } from '../../flows/context.js';
import { type Target, toAddress, viaCommand } from '../../flows/move/target.js';
import { usage } from '../args.js';
import { isLocal, parseAddress } from './address.js';
import { tlsOptions } from './tls.js';

/** The options for connecting to a socket. */
export const connectOptions = {
  ...tlsOptions,
  'tls-no-cn-verify': { type: 'boolean' },
  insecure: { type: 'boolean' },
} as const;

export const targetOptions = { to: { type: 'string' }, via: { type: 'string' }, ...connectOptions } as const;

type Values = { [Name in keyof typeof targetOptions]?: string | boolean | undefined };

/** @returns undefined where neither --to nor --via is given. @throws USAGE */
export function targetOf(context: Context, command: string, values: Values): Target | undefined {
  const { to, via } = values;
  const more = Object.keys(connectOptions).flatMap(name => {
    const value = values[name as keyof typeof connectOptions];
    return value === undefined || value === false
      ? []
      : value === true
        ? [`--${name}`]
        : [`--${name}`, `${value}`];
  });
  if (to !== undefined && via !== undefined) throw usage(command, '--to and --via cannot both be given');
  if (to === undefined && more.length > 0) throw usage(command, `${more[0]} is only for --to`);
  if (to === '' || via === '') throw usage(command, `--${to === '' ? 'to' : 'via'} is empty`);
  if (typeof to === 'string') {
    if (!values.tls && !values.insecure && !isLocal(parseAddress(command, '--to', to)))
      throw usage(
        command,
        `everybody on the way to ${to} could read and change the ghosts; give --tls, or --insecure where the network is trusted, or use --via with ssh`,
      );
    return toAddress(context, to, more);
  }
  if (typeof via !== 'string') return undefined;
  try {
    return viaCommand(context, via);
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    throw usage(command, error.message.replace(/^cannot use --via /, '--via is '));
  }
}
