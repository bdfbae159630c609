/**
 * The carrier of `--to`: bytes from stdin go to a socket, and its bytes to stdout. It is a process of its own,
 * so that TLS and the event loop run while the sender is busy with a frozen container.
 */
import fs from 'node:fs';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { parse } from '../args.js';
import { tlsOptions } from '../options/target.js';

/** CRIU's default files. Source: criu(8), --tls */
const defaults = {
  'tls-cacert': '/etc/pki/CA/cacert.pem',
  'tls-cert': '/etc/pki/criu/cert.pem',
  'tls-key': '/etc/pki/criu/private/key.pem',
} as const;

const connectMs = 10_000;

export async function carryCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse('carry', args, tlsOptions, 1);
  const address = positionals[0] as string;
  const socket = await connect(address, values);
  // The receiver may end first, and then it has said why.
  const toSocket = pipeline(fs.createReadStream('', { fd: 0, autoClose: false }), socket).catch(() => {});
  const fromSocket = pipeline(socket, fs.createWriteStream('', { fd: 1, autoClose: false })).catch(() => {});
  await fromSocket;
  void toSocket;
  return 0;
}

type Values = { [Name in keyof typeof tlsOptions]?: string | boolean | undefined };

async function connect(address: string, values: Values): Promise<net.Socket> {
  const place = parseAddress(address);
  const isSecret = values.tls === true || 'path' in place || isLoopback(place.host);
  if (!isSecret && values.insecure !== true)
    throw new GhostkeepError(
      'USAGE',
      address,
      `cannot connect to ${address}: everybody on the way could read and change the ghosts; use --tls, --via with ssh, or --insecure`,
    );
  const socket =
    values.tls === true
      ? tls.connect(secretly(place, values))
      : net.connect({ ...place, allowHalfOpen: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(values.tls === true ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
      socket.setTimeout(connectMs, () => reject(new Error(`nobody answers within ${connectMs / 1000} s`)));
    });
  } catch (error) {
    socket.destroy();
    throw new GhostkeepError('MOVE_LOST', address, `cannot connect to ${address}: ${reasonOf(error)}`);
  }
  socket.setTimeout(0);
  if (!('path' in place)) socket.setNoDelay(true).setKeepAlive(true, 5000);
  return socket;
}

type Place = { path: string } | { host: string; port: number };

/** A path with a slash in it, HOST:PORT, or [ADDRESS]:PORT. @throws USAGE */
export function parseAddress(address: string): Place {
  if (address.includes('/')) return { path: address.replace(/^unix:/, '') };
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(address) ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65535) return { host, port };
  throw new GhostkeepError(
    'USAGE',
    address,
    `cannot connect to ${JSON.stringify(address)}: it must be HOST:PORT, [ADDRESS]:PORT, or the path of a unix socket with a slash in it`,
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (net.isIPv4(host) && host.startsWith('127.'));
}

function secretly(place: Place, values: Values): tls.ConnectionOptions {
  if ('path' in place) throw new GhostkeepError('USAGE', place.path, 'cannot use --tls with a unix socket');
  const read = (name: keyof typeof defaults) => {
    const file = typeof values[name] === 'string' ? (values[name] as string) : defaults[name];
    try {
      return fs.readFileSync(file);
    } catch (error) {
      throw new GhostkeepError('IO', file, `cannot read ${file}, which --${name} names: ${reasonOf(error)}`);
    }
  };
  const names = net.isIP(place.host) === 0 ? { servername: place.host } : {};
  return {
    ...place,
    ...names,
    ca: read('tls-cacert'),
    cert: read('tls-cert'),
    key: read('tls-key'),
    minVersion: 'TLSv1.2',
    ...(values['tls-no-cn-verify'] === true ? { checkServerIdentity: () => undefined } : {}),
  };
}
