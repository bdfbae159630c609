import { isIPv4 } from 'node:net';
import { usage } from '../args.js';

export type Address = { path: string } | { host: string; port: number };

/** A path with a slash in it, HOST:PORT, or [ADDRESS]:PORT. @throws USAGE */
export function parseAddress(command: string, option: string, text: string): Address {
  if (text.includes('/')) return { path: text.replace(/^unix:/, '') };
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65535) return { host, port };
  throw usage(
    command,
    `${option} is ${JSON.stringify(text)}, it must be HOST:PORT, [ADDRESS]:PORT, or the path of a unix socket with a slash in it`,
  );
}

/** True where only this host can be on the other side. */
export function isLocal(address: Address): boolean {
  if ('path' in address) return true;
  const { host } = address;
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
