import net from 'node:net';
import readline from 'node:readline';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { checkBeforeRestore, GateDump } from '../../flows/gate.js';
import { oneOf, parse } from '../args.js';
import { makeContext } from '../context.js';
import { makeLogger } from '../logger.js';

/** Descriptors and messages: native/gate/PROTOCOL.md. */
const socketFd = 3;
const images = '/proc/self/fd/4';
const protocolVersion = 1;
const longestLine = 4096;

/** Speak the gate's protocol until CRIU is through. One request at a time, answered in order. */
export async function gateCommand(args: string[]): Promise<number> {
  const stage = oneOf('gate', 'STAGE', parse('gate', args, {}, 1).positionals[0] ?? '', ['dump', 'restore']);
  const socket = new net.Socket({ fd: socketFd, readable: true, writable: true });
  // CRIU went away: the end of the input ends the loop below, and there is nobody to tell.
  socket.on('error', () => {});
  const say = (line: string) => {
    const text = [...line].map(character => (character < ' ' ? ' ' : character)).join('');
    const bytes = Buffer.from(text).subarray(0, longestLine - 1);
    socket.write(`${bytes.toString('utf8').replace(/\ufffd+$/, '')}\n`);
  };
  const log = both(makeLogger({ file: `${images}/ghostkeep.log`, level: 'error' }), {
    debug: () => {},
    info: text => say(`note ${text}`),
    warn: text => say(`warn ${text}`),
    error: text => say(`warn ${text}`),
  });
  const context = makeContext(log, () => say('progress copying'));
  const dump = new GateDump(context, images);

  const answer = async (request: string, argument: string) => {
    if (stage === 'dump' && request === 'checkpoint') {
      for (const key of await dump.checkpoint(Number(argument))) say(`external ${key}`);
    } else if (stage === 'dump' && request === 'finish') dump.finish(Number(argument));
    else if (stage === 'restore' && request === 'restore') await checkBeforeRestore(context, images);
    else
      throw new GhostkeepError(
        'PROTOCOL',
        request,
        `cannot answer ${JSON.stringify(request)} in a ${stage}: gate and helper are of different versions; reinstall ghostkeep`,
      );
  };

  say(`ready ${protocolVersion}`);
  let finished = stage === 'restore';
  for await (const line of readline.createInterface({ input: socket })) {
    const [request = '', argument = ''] = line.split(' ');
    try {
      await answer(request, argument);
      if (request === 'finish') finished = true;
      say('done');
    } catch (error) {
      log.error(
        reasonOf(error),
        error instanceof GhostkeepError ? { code: error.code, subject: error.subject } : {},
      );
      say(`refuse ${reasonOf(error)}${error instanceof GhostkeepError ? ` [${error.code}]` : ''}`);
      // A seal that failed keeps its journal: `ghostkeep seal` goes on from there.
      if (request === 'finish') finished = true;
    }
  }
  if (!finished) dump.finish(1);
  return 0;
}

function both(one: Log, other: Log): Log {
  const at = (level: keyof Log) => (message: string, fields?: Record<string, unknown>) => {
    one[level](message, fields);
    other[level](message, fields);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
