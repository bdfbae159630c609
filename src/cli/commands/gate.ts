import { setFlagsFromString } from 'node:v8';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { toPrintable } from '../../base/text/printable.js';
import type { Context } from '../../flows/context.js';
import { exitAtOnce } from '../../host/native/libc.js';
import { oneOf, parse, positive } from '../args.js';
import { makeContext } from '../context.js';
import { GateChannel } from '../gate-channel.js';
import { type Logger, makeLogger } from '../log/logger.js';

/** Descriptors and messages: native/gate/PROTOCOL.md. */
const images = '/proc/self/fd/4';
const signOfLifeMs = 200;

/**
 * A request of the gate: what it asks and about whom. Whatever it returns is sent before `done`, a line each.
 */
type Answer = (argument: number) => Promise<string[]>;

/** Speak the gate's protocol until CRIU is through. One request at a time, answered in order. */
export async function gateCommand(args: string[]): Promise<number> {
  const { positionals } = parse('gate', args, {}, 'any');
  const stage = oneOf('gate', 'STAGE', positionals[0] ?? '', ['dump', 'restore']);
  const channel = new GateChannel();
  // Functions that run once while all is frozen: machine code from the first call on, not from the hundredth.
  // At a restore somebody waits for the start.
  if (stage === 'dump') setFlagsFromString('--always-sparkplug');
  // Written when CRIU has its answer and is at work itself.
  const file = makeLogger({ file: `${images}/ghostkeep.log`, level: 'error', deferred: true, atOnce: true });
  const log = both(file, {
    debug: () => {},
    info: text => channel.say(`note ${toPrintable(text)}`),
    warn: text => channel.say(`warn ${toPrintable(text)}`),
    error: text => channel.say(`warn ${toPrintable(text)}`),
  });
  let part: Part | undefined;
  const context = makeContext(
    log,
    atMostEvery(signOfLifeMs, () => {
      channel.say('progress copying');
      if (!channel.hasHungUp || !part?.abandon) return;
      // In the middle of a request that nobody waits for; the next dump may want the directory.
      part.abandon();
      exitAtOnce(1);
    }),
  );
  try {
    part =
      stage === 'dump'
        ? await prepareDump(context, file, positive('gate', 'PID', positionals[1] ?? String(process.pid)))
        : await prepareRestore(context, channel);
  } catch (error) {
    // Not in the log file: it lies in the directory, which may be another dump's.
    channel.say(refusal(error));
    channel.close();
    return 1;
  }
  const { answers, gone } = part;
  channel.ready();
  for (let line = channel.next(); line !== undefined; line = channel.next()) {
    const [request = '', argument = ''] = line.split(' ');
    try {
      const answer = Object.hasOwn(answers, request) ? answers[request] : undefined;
      if (!answer) throw unknownRequest(request, stage);
      channel.say(await answer(Number(argument)), 'done');
    } catch (error) {
      log.error(reasonOf(error), fieldsOf(error));
      channel.say(refusal(error));
    }
    await file.flush();
  }
  await gone();
  await file.flush();
  part.letGo();
  channel.close();
  return 0;
}

function refusal(error: unknown): string {
  const { code } = fieldsOf(error);
  return `refuse ${toPrintable(reasonOf(error))}${code ? ` [${code}]` : ''}`;
}

interface Part {
  answers: Record<string, Answer>;
  /** CRIU has ended, with or without telling us. */
  gone(): Promise<void>;
  /**
   * Before the gate is told that we are through: what CRIU's caller starts next, poststop for one, may want
   * the directory.
   */
  letGo(): void;
  /** CRIU has ended in the middle of a request: leave nothing of the dump. */
  abandon?(): void;
}

/** @param criu pid of the CRIU that started us */
async function prepareDump(context: Context, file: Logger, criu: number): Promise<Part> {
  const { GateDump } = await import('../../flows/gate/gate-dump.js');
  const { rehearse } = await import('../../flows/gate/rehearse.js');
  const dump = new GateDump(context, images);
  await dump.begin(criu);
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
        await dump.finish(result);
        return [];
      },
    },
    // Without a word the dump is none.
    gone: async () => {
      if (!finished) await dump.finish(1);
    },
    letGo: () => dump.letGo(),
    abandon: () => dump.abandon(),
  };
}

async function prepareRestore(context: Context, channel: GateChannel): Promise<Part> {
  const { GateRestore } = await import('../../flows/gate/gate-restore.js');
  const restore = new GateRestore(context, images, mountPoint => channel.lookup(`mnt[${mountPoint}]`));
  return {
    answers: {
      restore: async () => nothing(restore.check()),
      resumed: async pid => nothing(restore.resumed(pid)),
      finish: async () => [],
    },
    gone: async () => {},
    letGo: () => {},
  };
}

/**
 * The first line that winston writes costs it milliseconds, and the gate waits for the log before CRIU goes
 * on.
 */
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
