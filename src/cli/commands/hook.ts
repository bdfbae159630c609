import fs from 'node:fs';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { poststop } from '../../flows/hooks/poststop.js';
import { prestart } from '../../flows/hooks/prestart.js';
import { ProcessDeadline } from '../../host/deadline.js';
import { exitAtOnce } from '../../host/native/libc.js';
import { hookLogVariable } from '../../oci/hooks-d.js';
import { largestStateBytes, parseState } from '../../oci/state.js';
import { oneOf, parse } from '../args.js';
import { makeContext } from '../context.js';
import { Deadline, expired } from '../ending/deadline.js';
import { makeLogger } from '../log/logger.js';
import { errorLine } from '../print/line.js';

/**
 * Less than the 30 s of the hooks.d templates, so that our own message names the reason and not the
 * runtime's.
 */
const waitMs = 25_000;
/** `createRuntime` is the OCI's newer name for the moment at which runtimes call prestart. */
const hooks = { prestart, createRuntime: prestart, poststop };
const hostLog = '/var/log/ghostkeep.log';
/** This bounds the log where logrotate(8) does not come in time, or is not installed. */
const mostLogBytes = 10 * 1024 * 1024;

export async function hookCommand(args: string[]): Promise<number> {
  const name = oneOf('hook', 'HOOK', parse('hook', args, {}, 1).positionals[0] ?? '', [
    'prestart',
    'createRuntime',
    'poststop',
  ]);
  const file = process.env[hookLogVariable] ?? (process.getuid?.() === 0 ? hostLog : undefined);
  const log = makeLogger(file === undefined ? {} : { file, mostBytes: mostLogBytes });
  const deadline = startDeadline(`hook ${name}`);
  try {
    const state = parseState(await readState());
    const context = makeContext(log, () => deadline.alive());
    await hooks[name](context, state);
    return 0;
  } catch (error) {
    log.debug(`hook ${name} failed: ${reasonOf(error)}`, fieldsOf(error));
    throw error;
  } finally {
    deadline.stop();
  }
}

/**
 * Starts a deadline outside the event loop, because a call on a dead server may block that. An installation
 * without the native library gets a timer instead.
 */
function startDeadline(what: string): Pick<Deadline, 'alive' | 'stop'> {
  try {
    return new ProcessDeadline(waitMs, 1, errorLine(expired(what, waitMs)));
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    return new Deadline(waitMs, what, late => {
      process.stderr.write(errorLine(late));
      exitAtOnce(1);
    });
  }
}

/** The native hook hands the state over in a file, which needs no stream: loading streams takes 15 ms. */
async function readState(): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  const isFile = fs.fstatSync(0).isFile();
  for await (const part of isFile ? readFile() : (process.stdin as AsyncIterable<Buffer>)) {
    length += part.length;
    if (length > largestStateBytes) {
      throw new GhostkeepError(
        'BAD_STATE',
        'stdin',
        'cannot read the container state on stdin: it is larger than 1 MiB',
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function* readFile(): Generator<Buffer> {
  for (;;) {
    const part = Buffer.alloc(64 * 1024);
    const length = fs.readSync(0, part);
    if (length === 0) return;
    yield part.subarray(0, length);
  }
}
