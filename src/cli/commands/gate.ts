import { setFlagsFromString } from 'node:v8';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { Progress } from '../../base/progress.js';
import { toPrintable } from '../../base/text/printable.js';
import type { Context } from '../../flows/context.js';
import { exitAtOnce } from '../../host/native/libc.js';
import { oneOf, parse, positive } from '../args.js';
import { makeContext } from '../context.js';
import { GateChannel } from '../gate-channel.js';
import { type Logger, makeLogger } from '../log/logger.js';
import { showProgress } from '../progress/show-progress.js';

/** Descriptors and messages: native/gate/PROTOCOL.md. */
const images = '/proc/self/fd/4';
const signOfLifeMs = 200;

/**
 * Answers one request of the gate. ARGUMENT is a pid, a status or an option. The returned lines are sent
 * before `done`.
 */
type Answer = (argument: string) => Promise<string[]>;

/** Speaks the gate's protocol until CRIU has finished. It answers one request at a time, in order. */
export async function gateCommand(args: string[]): Promise<number> {
  const { positionals } = parse('gate', args, {}, 'any');
  const stage = oneOf('gate', 'STAGE', positionals[0] ?? '', ['dump', 'restore']);
  const channel = new GateChannel();
  // Much code runs only once, while the container is frozen: V8 then compiles it at its first call and not at
  // its hundredth. At a restore the caller waits for our start, which this flag would make slower.
  if (stage === 'dump') setFlagsFromString('--always-sparkplug');
  // The log is written after CRIU has our answer and goes on with its own work.
  const file = makeLogger({ file: `${images}/ghostkeep.log`, level: 'error', deferred: true });
  const log = both(file, {
    debug: () => {},
    info: text => channel.say(`note ${toPrintable(text)}`),
    warn: text => channel.say(`warn ${toPrintable(text)}`),
    error: text => channel.say(`warn ${toPrintable(text)}`),
  });
  let part: Part | undefined;
  // No printer listens to the progress: its state is looked at when a sign of life is due anyway.
  const progress = new Progress(() => performance.now());
  const made = makeContext(
    log,
    atMostEvery(signOfLifeMs, () => {
      const state = progress.look();
      channel.say(`progress ${state ? showProgress(state) : 'starting'}`);
      if (!channel.hasHungUp || !part?.abandon) return;
      // We are in the middle of a request that nobody waits for any more, and the next dump may want the
      // directory.
      part.abandon();
      exitAtOnce(1);
    }),
  );
  const context = { ...made, progress };
  try {
    part =
      stage === 'dump'
        ? await prepareDump(context, file, positive('gate', 'PID', positionals[1] ?? String(process.pid)))
        : await prepareRestore(context, channel);
  } catch (error) {
    // We do not write this to the log file: it lies in the directory, which may belong to another dump.
    channel.say(refusal(error));
    channel.close();
    return 1;
  }
  const { answers, gone } = part;
  channel.ready();
  for (let line = channel.next(); line !== undefined; line = channel.next()) {
    const [, request = '', argument = ''] = /^(\S*) ?(.*)$/s.exec(line) ?? [];
    try {
      const answer = Object.hasOwn(answers, request) ? answers[request] : undefined;
      if (!answer) throw unknownRequest(request, stage);
      channel.say(await answer(argument), 'done');
    } catch (error) {
      log.error(reasonOf(error), fieldsOf(error));
      channel.say(refusal(error));
    }
    await file.flush();
    part.meanwhile?.();
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
  /** Called after each answer, while CRIU goes on with its own work. */
  meanwhile?(): void;
  /** CRIU has ended, with or without telling us. */
  gone(): Promise<void>;
  /**
   * Releases the lock of the directory before the gate learns that we have finished: the program that CRIU's
   * caller starts next, for example poststop, may want it.
   */
  letGo(): void;
  /** CRIU has ended in the middle of a request. Removes everything of the dump. */
  abandon?(): void;
}

/** @param criu pid of the CRIU that started us */
async function prepareDump(context: Context, file: Logger, criu: number): Promise<Part> {
  const { GateDump } = await import('../../flows/gate/gate-dump.js');
  const { rehearse } = await import('../../flows/gate/rehearse.js');
  const dump = new GateDump(context, images);
  await dump.begin(criu);
  let finished = false;
  const rehearseAll = async () => {
    await file.prepare();
    await rehearse(context, images);
    await rehearseLog();
  };
  return {
    answers: {
      option: async option => {
        dump.accept(option);
        return [];
      },
      warm: async pid => nothing(dump.warm(Number(pid), rehearseAll)),
      checkpoint: async pid => (await dump.checkpoint(Number(pid))).map(key => `external ${key}`),
      finish: async result => {
        // A seal that fails keeps its journal, and `ghostkeep seal` goes on from there.
        finished = true;
        await dump.finish(Number(result));
        return [];
      },
    },
    // If CRIU ends without `finish`, the dump has failed.
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
      resumed: async pid => nothing(restore.resumed(Number(pid))),
      finish: async () => [],
    },
    meanwhile: () => restore.prepare(),
    gone: async () => {},
    letGo: () => {},
  };
}

/**
 * Writes a first line to nowhere: the first line that winston writes takes milliseconds, and the gate waits
 * for the log before CRIU goes on.
 */
async function rehearseLog(): Promise<void> {
  const nowhere = makeLogger({ file: '/dev/null', level: 'error', deferred: true });
  nowhere.info('rehearsal', { code: 'none' });
  await nowhere.flush();
}

/**
 * Limits how often TELL is called: work that goes on without the event loop calls the result at every item.
 */
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
