/**
 * `receive --listen` starts a receiver of its own for each connection, with the connection as the receiver's
 * stdin and stdout. So a receiver never waits for an event loop, and TLS is handled in this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { ownCommand } from '../../host/native/program-files.js';
import type { Address } from '../options/address.js';
import type { Certificates } from '../options/tls.js';

/** Each connection is a process. A sender needs one, and one more when it connects again. */
const mostConnections = 8;
const handshakeMs = 10_000;
/**
 * A sender says something each second. If it has said nothing for so long, a new connection ends its
 * receiver.
 */
const silentMs = 5_000;
const keepAliveMs = 5_000;
/** After its receiver has ended, a sender has this long to hang up. */
const lastWordsMs = 5_000;

export interface Listening {
  address: Address;
  certificates?: Certificates | undefined;
  /** Arguments of the receiver that is started for a connection. */
  args: readonly string[];
  log: Log;
  /** @param at the address as text, with the port that was chosen where the port was 0 */
  onListening(at: string): void;
  /** Called when a receiver has ended well. True ends the listening. */
  isDone(): boolean;
}

/**
 * Listens until `isDone` says that all is done, or a signal comes. @throws IN_USE, IO where nobody can listen
 * there
 */
export async function listen(listening: Listening): Promise<void> {
  const server = makeServer(listening);
  server.maxConnections = mostConnections;
  await bind(server, listening.address);
  const stop = () => server.close();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const closed = new Promise<void>(resolve => server.once('close', resolve));
  listening.onListening(nameOf(server, listening.address));
  await closed;
}

function makeServer(listening: Listening): net.Server {
  const { certificates, log } = listening;
  if (!certificates) {
    const server = net.createServer({ allowHalfOpen: true }, socket => serve(socket, server, listening));
    return server;
  }
  const server = tls.createServer(
    {
      ...certificates,
      allowHalfOpen: true,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeMs,
    },
    socket => serve(socket, server, listening),
  );
  server.on('tlsClientError', error => log.warn(`a connection was refused: ${reasonOf(error)}`));
  return server;
}

/** Receivers at work, with the time at which each has last heard of its sender. */
const serving = new Map<ChildProcess, number>();

/**
 * Ends receivers whose sender is silent. When a network breaks, nothing says so to a receiver that waits for
 * its sender. Such a receiver would keep the directory from the sender's next connection until it takes the
 * sender for dead. Killing it loses nothing that was acknowledged.
 */
function endSilent(): void {
  for (const [child, heardAt] of serving) if (performance.now() - heardAt > silentMs) child.kill('SIGKILL');
}

/** Connect SOCKET with a receiver, until that ends. */
function serve(socket: net.Socket, server: net.Server, { args, log, isDone }: Listening): void {
  endSilent();
  const [program, ...words] = ownCommand() as [string, ...string[]];
  const child: ChildProcess = spawn(program, [...words, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { stdin, stdout } = child;
  if (!stdin || !stdout) return;
  const hear = () => serving.set(child, performance.now());
  hear();
  socket.on('data', hear);
  // A receiver that has failed has said why to the sender. It reads no more, so the sender's other bytes are
  // thrown away.
  stdin.on('error', () => socket.resume());
  socket.on('error', error => log.info(`a connection was lost: ${reasonOf(error)}`));
  socket.on('close', () => stdin.end());
  child.on('error', error => {
    log.error(`cannot start a receiver: ${reasonOf(error)}`);
    socket.destroy();
  });
  child.on('exit', status => {
    serving.delete(child);
    if (status === 0 && isDone()) server.close();
  });
  stdout.on('end', () => hangUp(socket));
  socket.setNoDelay(true).setKeepAlive(true, keepAliveMs);
  socket.pipe(stdin);
  stdout.pipe(socket, { end: false });
}

/**
 * Closes the socket so that the last words of the receiver arrive. If we closed it while bytes of the sender
 * lie unread, the kernel would reset the connection, and the sender would never know why.
 */
function hangUp(socket: net.Socket): void {
  socket.end();
  socket.on('end', () => socket.destroy());
  socket.setTimeout(lastWordsMs, () => socket.destroy());
  socket.unpipe();
  socket.resume();
}

async function bind(server: net.Server, address: Address): Promise<void> {
  try {
    await tryBind(server, address);
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE' || !('path' in address) || !(await isAbandoned(address.path)))
      throw cannotListen(address, error);
    fs.unlinkSync(address.path);
    await tryBind(server, address).catch(again => {
      throw cannotListen(address, again);
    });
  }
}

/** Listens on ADDRESS. If that is a unix socket, only our own user may connect to it. */
function tryBind(server: net.Server, address: Address): Promise<void> {
  const before = process.umask(0o177);
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  }).finally(() => process.umask(before));
}

/** True for a socket on which nobody listens any more. */
function isAbandoned(path: string): Promise<boolean> {
  if (!fs.lstatSync(path).isSocket()) return Promise.resolve(false);
  return new Promise(resolve => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', error => resolve(errnoOf(error) === 'ECONNREFUSED'));
  });
}

function cannotListen(address: Address, error: unknown): GhostkeepError {
  const at = textOf(address);
  const action = `cannot listen on ${at}`;
  if (errnoOf(error) === 'EADDRINUSE')
    return new GhostkeepError('IN_USE', at, `${action}: another program does, or a file has this name`, {
      cause: error,
    });
  return translate(error, 'IO', at, action);
}

function nameOf(server: net.Server, address: Address): string {
  const bound = server.address();
  return textOf(
    'path' in address || !bound || typeof bound === 'string' ? address : { ...address, port: bound.port },
  );
}

function textOf(address: Address): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
