import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checkpointed } from '../../base/documents/generated/checkpointed.js';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { translate } from '../../base/errors.js';
import { countToJson } from '../../base/units.js';
import { checkpoint } from '../../flows/gate/checkpoint.js';
import { manifestExists } from '../../image/manifest.js';
import { showSummary, summarize } from '../../image/summary.js';
import { parseRuntimeCommand } from '../../oci/command-line.js';
import { parse, positive, usage } from '../args.js';
import { Interrupted, Interruption } from '../ending/interruption.js';
import { printJson } from '../print/json.js';
import { errorLine, line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

const lookEveryMs = 500;

export async function checkpointCommand(args: string[]): Promise<number> {
  const split = args.indexOf('--');
  if (split < 0 || split === args.length - 1) throw usage('checkpoint', 'the command after -- is missing');
  const { values } = parse('checkpoint', args.slice(0, split), {
    hold: { type: 'string', default: '86400' },
    json: { type: 'boolean' },
    ...verboseOption,
  });
  const holdMs = positive('checkpoint', '--hold', values.hold) * 1000;
  const argv = args.slice(split + 1);
  const command = parseRuntimeCommand(argv, process.cwd());
  if (command.verb !== 'checkpoint')
    throw usage('checkpoint', `the command is ${command.verb}, not checkpoint`);

  const signals = new Interruption();
  const { log, ...rest } = contextWithProgress(values);
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    log.warn(text);
  };
  const context = { ...rest, log: { ...log, warn } };
  if (command.preDump) return context.host.commands.run(argv);
  const scratch = mkdtempSync(path.join(tmpdir(), 'ghostkeep-'));
  try {
    const manifest = await checkpoint(context, {
      command,
      argv,
      configPath: path.join(scratch, 'criu.conf'),
      userConfig: process.env['CRIU_CONFIG_FILE'],
      beforeCommand: () => signals.assertNone(),
      hold: error => hold(error, command.images, holdMs),
    });
    const text = manifest
      ? `${showSummary(manifest)}; sealed in ${command.images}`
      : 'no ghost needed keeping';
    if (values.json) printJson(toDocument(command.images, manifest, warnings));
    else process.stderr.write(line(`ghostkeep: ${text}`));
    return 0;
  } catch (error) {
    const { signal } = signals;
    if (signal === undefined) throw error;
    if (!(error instanceof Interrupted))
      process.stderr.write(errorLine(translate(error, 'IO', command.container, 'cannot undo all')));
    process.stderr.write(line(`ghostkeep: ${signal}: ${command.program} was not asked for a checkpoint`));
    return 128 + constants.signals[signal];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }

  /**
   * Keeps the ghosts open for WAIT_MS, so that `ghostkeep seal` can copy them from our descriptors.
   * @returns true as soon as somebody has sealed the dump, and false when the time is over
   */
  async function hold(error: unknown, images: string, waitMs: number): Promise<boolean> {
    process.stderr.write(
      errorLine(translate(error, 'IO', images, 'cannot finish the checkpoint')) +
        `ghostkeep: the checkpoint is made, its ghosts are not in it yet. Process ${process.pid} holds them for ${waitMs / 1000} s; only SIGKILL ends it before, and that loses them.\n` +
        line(`ghostkeep: remove the cause, then run: ghostkeep seal -D ${images}`),
    );
    const until = performance.now() + waitMs;
    while (performance.now() < until) {
      await sleep(lookEveryMs);
      if (manifestExists(context.host.files, images)) return true;
    }
    return false;
  }
}

function toDocument(images: string, manifest: Manifest | undefined, warnings: string[]): Checkpointed {
  const { ghosts, bytes, beforeFreeze, shared } = summarize(manifest ?? { ghosts: [] });
  return {
    images,
    ghosts,
    bytes: countToJson(bytes),
    beforeFreeze: countToJson(beforeFreeze),
    whileFrozen: countToJson(bytes - beforeFreeze),
    shared: countToJson(shared),
    warnings,
  };
}
