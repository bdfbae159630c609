import { setFlagsFromString } from 'node:v8';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { toPrintable } from '../../base/printable.js';
import type { Context } from '../../flows/context.js';
import { oneOf, parse } from '../args.js';
import { makeContext } from '../context.js';
import { GateChannel } from '../gate-channel.js';
import { type Logger, makeLogger } from '../logger.js';

/** Descriptors and messages: native/gate/PROTOCOL.md. */
const images = '/proc/self/fd/4';
const signOfLifeMs = 200;

/** A request of the gate: what it asks and about whom. Whatever it returns is sent before `done`, a line each. */
type Answer = (argument: number) => Promise<string[]>;

/** Speak the gate's protocol until CRIU is through. One request at a time, answered in order. */
export async function gateCommand(args: string[]): Promise<number> {
  const stage = oneOf('gate', 'STAGE', parse('gate', args, {}, 1).positionals[0] ?? '', ['dump', 'restore']);
  const channel = new GateChannel();
  // Functions that run once while all is frozen: machine code from the first call on, not from the hundredth. At a
  // restore somebody waits for the start.
  if (stage === 'dump') setFlagsFromString('--always-sparkplug');
  // Written when CRIU has its answer and is at work itself.
  const file = makeLogger({ file: `${images}/ghostkeep.log`, level: 'error', deferred: true, atOnce: true });
  const log = both(file, {
    debug: () => {},
    info: text => channel.say(`note ${toPrintable(text)}`),
    warn: text => channel.say(`warn ${toPrintable(text)}`),
    error: text => channel.say(`warn ${toPrintable(text)}`),
  });
  const context = makeContext(
    log,
    atMostEvery(signOfLifeMs, () => channel.say('progress copying')),
  );
  const { answers, gone } =
    stage === 'dump' ? await prepareDump(context, file) : await prepareRestore(context, channel);
  channel.ready();
  for (let line = channel.next(); line !== undefined; line = channel.next()) {
    const [request = '', argument = ''] = line.split(' ');
    try {
      const answer = Object.hasOwn(answers, request) ? answers[request] : undefined;
      if (!answer) throw unknownRequest(request, stage);
      channel.say(await answer(Number(argument)), 'done');
    } catch (error) {
      const fields = fieldsOf(error);
      log.error(reasonOf(error), fields);
      channel.say(`refuse ${toPrintable(reasonOf(error))}${fields.code ? ` [${fields.code}]` : ''}`);
    }
    await file.flush();
  }
  gone();
  await file.flush();
  channel.close();
  return 0;
}

interface Part {
  answers: Record<string, Answer>;
  /** CRIU is, whether it said so or not. */
  gone(): void;
}

async function prepareDump(context: Context, file: Logger): Promise<Part> {
  const { GateDump } = await import('../../flows/gate.js');
  const { rehearse } = await import('../../flows/rehearse.js');
  const dump = new GateDump(context, images);
  let finished = false;
  await file.prepare();
  await rehearse(context, images);
  await rehearseLog();
  return {
    answers: {
      warm: async pid => nothing(dump.warm(pid)),
      checkpoint: async pid => (await dump.checkpoint(pid)).map(key => `external ${key}`),
      finish: async result => {
        // A seal that fails keeps its journal: `ghostkeep seal` goes on from there.
        finished = true;
        dump.finish(result);
        return [];
      },
    },
    // Without a word the dump is none.
    gone: () => {
      if (!finished) dump.finish(1);
    },
  };
}

async function prepareRestore(context: Context, channel: GateChannel): Promise<Part> {
  const { GateRestore } = await import('../../flows/gate-restore.js');
  const restore = new GateRestore(context, images, mountPoint => channel.lookup(`mnt[${mountPoint}]`));
  return {
    answers: {
      restore: async () => nothing(restore.check()),
      resumed: async pid => nothing(restore.resumed(pid)),
      finish: async () => [],
    },
    gone: () => {},
  };
}

/** The first line that winston writes costs it milliseconds, and the gate waits for the log before CRIU goes on. */
async function rehearseLog(): Promise<void> {
  const nowhere = makeLogger({ file: '/dev/null', level: 'error', deferred: true, atOnce: true });
  nowhere.info('rehearsal', { code: 'none' });
  await nowhere.flush();
}

/** Work that goes on without the event loop tells of itself at every item. */
function atMostEvery(ms: number, tell: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - last < ms) return;
    last = now;
    tell();
  };
}

async function nothing(work: Promise<void>): Promise<string[]> {
  await work;
  return [];
}

function unknownRequest(request: string, stage: string): GhostkeepError {
  return new GhostkeepError(
    'PROTOCOL',
    request,
    `cannot answer ${JSON.stringify(request)} in a ${stage}: gate and helper are of different versions; reinstall ghostkeep`,
  );
}

function both(one: Log, other: Log): Log {
  const at = (level: keyof Log) => (message: string, fields?: Record<string, unknown>) => {
    one[level](message, fields);
    other[level](message, fields);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
