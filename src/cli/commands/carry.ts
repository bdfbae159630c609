/**
 * The carrier of `--to`. It copies bytes from stdin to a socket, and from the socket to stdout. It is a
 * process of its own, so that TLS and the event loop run while the sender is busy with a frozen container.
 */
import fs from 'node:fs';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { exitAtOnce } from '../../host/native/libc.js';
import { parse, usage } from '../args.js';
import { type Address, isLocal, parseAddress } from '../options/address.js';
import { connectOptions } from '../options/target.js';
import { readCertificates } from '../options/tls.js';

const connectMs = 10_000;
/** After so long without a byte, the kernel begins to ask the peer's host, and notices if that is gone. */
const keepAliveMs = 5000;

type Values = ReturnType<typeof parse<typeof connectOptions>>['values'];

export async function carryCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse('carry', args, connectOptions, 1);
  const [text = ''] = positionals;
  const address = parseAddress('carry', 'ADDR', text);
  if ('path' in address && values.tls) throw usage('carry', '--tls is for TCP, and a unix socket is local');
  if (!values.tls && !values.insecure && !isLocal(address))
    throw usage(
      'carry',
      `everybody on the way to ${text} could read and change the ghosts; give --tls, or --insecure where the network is trusted, or use --via with ssh`,
    );
  const socket = await connect(address, text, values);
  const there = pipeline(fs.createReadStream('', { fd: 0, autoClose: false }), socket);
  const back = pipeline(socket, fs.createWriteStream('', { fd: 1, autoClose: false }));
  // We wait only until the receiver has closed its side. It may do so while the sender still sends, and then
  // it has said why. We report no error, because the sender knows from the receiver's frames what has
  // arrived.
  await Promise.allSettled([back, Promise.race([there, back])]);
  // A read of stdin that still waits would keep this process alive, and the sender would wait for its end.
  exitAtOnce(0);
  return 0;
}

/** @throws MOVE_LOST, IO */
async function connect(address: Address, text: string, values: Values): Promise<net.Socket> {
  const socket = values.tls
    ? tls.connect(secretly(address, values))
    : net.connect({ ...address, allowHalfOpen: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(values.tls ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
      socket.setTimeout(connectMs, () => reject(new Error(`nobody answers within ${connectMs / 1000} s`)));
    });
  } catch (error) {
    socket.destroy();
    throw new GhostkeepError('MOVE_LOST', text, `cannot connect to ${text}: ${reasonOf(error)}`);
  }
  socket.setTimeout(0);
  if (!('path' in address)) socket.setNoDelay(true).setKeepAlive(true, keepAliveMs);
  return socket;
}

function secretly(address: Address, values: Values): tls.ConnectionOptions {
  const host = 'host' in address ? address.host : '';
  return {
    ...address,
    ...readCertificates(values),
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    minVersion: 'TLSv1.2',
    ...(values['tls-no-cn-verify'] ? { checkServerIdentity: () => undefined } : {}),
  };
}
