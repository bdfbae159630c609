import fs from 'node:fs';
import { isatty } from 'node:tty';
import { counted } from '../../base/text/counted.js';
import { parseSize } from '../../base/units.js';
import { deadMs } from '../../flows/receive/peer.js';
import { receive } from '../../flows/receive/receive.js';
import { showStream } from '../../flows/receive/show-stream.js';
import { manifestExists } from '../../image/manifest.js';
import { parse, required, usage } from '../args.js';
import { makeContext } from '../context.js';
import { listen } from '../listen/listen.js';
import { type Address, isLocal, parseAddress } from '../options/address.js';
import { readCertificates, tlsOptions } from '../options/tls.js';
import { jsonLog, printLine } from '../print/json-lines.js';
import { line } from '../print/line.js';
import { version } from '../version.js';

const [stdin, stdout] = [0, 1];

const options = {
  'images-dir': { type: 'string', short: 'D' },
  'max-bytes': { type: 'string' },
  listen: { type: 'string' },
  insecure: { type: 'boolean' },
  'status-fd': { type: 'string' },
  dump: { type: 'boolean' },
  json: { type: 'boolean' },
  ...tlsOptions,
} as const;

type Values = ReturnType<typeof parse<typeof options>>['values'];

export async function receiveCommand(args: string[]): Promise<number> {
  const { values } = parse('receive', args, options);
  if (values.dump) return dump(values);
  const images = required('receive', '-D', values['images-dir']);
  const most = values['max-bytes'];
  const mostBytes = most === undefined ? undefined : parseSize(most, '--max-bytes');
  if (values.listen !== undefined) return listenFor(images, values.listen, values);
  for (const name of ['tls', 'tls-cacert', 'tls-cert', 'tls-key', 'insecure', 'status-fd'] as const)
    if (values[name] !== undefined) throw usage('receive', `--${name} needs --listen`);
  return receiveOne(images, mostBytes, values.json);
}

/** Receives from stdin and answers on stdout, so that everything for people goes to stderr. */
async function receiveOne(images: string, mostBytes: bigint | undefined, json = false): Promise<number> {
  if (isatty(stdin))
    throw usage(
      'receive',
      'a sender must be on its stdin and stdout, and this is a terminal; give --listen, or start it with `pre-dump --via`',
    );
  const context = makeContext(json ? jsonLog() : undefined);
  const { moving, files } = context.host;
  const link = moving.openLink(stdin, stdout, deadMs);
  const build = `ghostkeep ${version}`;
  const { ghosts, sealed } = await receive(context, { images, link, build, mostBytes });
  link.close();
  const where = files.realPath(images);
  if (json) printLine({ message_type: 'summary', images: where, ghosts, sealed });
  else process.stderr.write(line(`${where}: ${counted(ghosts, 'ghost')} ${sealed ? 'sealed' : 'received'}`));
  return 0;
}

async function listenFor(images: string, text: string, values: Values): Promise<number> {
  const address = parseAddress('receive', '--listen', text);
  assertSecret(address, text, values);
  const statusFd = values['status-fd'] === undefined ? undefined : fdOf(values['status-fd']);
  const context = makeContext(values.json ? jsonLog() : undefined);
  const { files } = context.host;
  const isDone = () => manifestExists(files, images);
  const most = values['max-bytes'] === undefined ? [] : ['--max-bytes', values['max-bytes']];
  await listen({
    address,
    certificates: values.tls ? readCertificates(values) : undefined,
    args: ['receive', '-D', images, ...most, ...(values.json ? ['--json'] : [])],
    log: context.log,
    isDone,
    onListening(at) {
      if (values.json) printLine({ message_type: 'listening', address: at });
      else process.stdout.write(line(`listening on ${at}`));
      // Source: criu(8), --status-fd
      if (statusFd !== undefined) fs.writeSync(statusFd, '\0');
    },
  });
  return isDone() ? 0 : 1;
}

/** @throws USAGE where everybody on the way could read and change the ghosts */
function assertSecret(address: Address, text: string, values: Values): void {
  if ('path' in address && values.tls) throw usage('receive', '--tls is for TCP, and a unix socket is local');
  if (values.tls || values.insecure || isLocal(address)) return;
  throw usage(
    'receive',
    `everybody who reaches ${text} could send ghosts, and read those on the way; give --tls, or --insecure where the network is trusted`,
  );
}

function fdOf(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw usage('receive', `--status-fd is ${JSON.stringify(text)}, it must be the number of a descriptor`);
}

async function dump(values: Values): Promise<number> {
  const others = Object.keys(values).filter(name => name !== 'dump');
  if (others.length > 0) throw usage('receive', `--dump stores nothing and takes no --${others[0]}`);
  const link = makeContext().host.moving.openLink(stdin, undefined, deadMs);
  await showStream(link, text => process.stdout.write(line(text)));
  link.close();
  return 0;
}
