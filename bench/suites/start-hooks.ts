/**
 * The hooks of a container that has an annotation of ours, as a runtime starts them: the static program that
 * looks first, and behind it the installed script with the program. /bin/true gets the same state on stdin.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findBeside, ownCommand } from '../../src/host/native/program-files.js';
import { many } from '../content/patterns.js';
import { hold } from '../machine/holder.js';
import { missing } from '../machine/missing.js';
import { timed } from '../machine/timed.js';
import { makeRow, ours, type Row, withAdded } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { SuiteContext } from '../suite.js';
import { mostAddedByHook } from '../targets.js';

const nothing = '/bin/true';
const stages = ['prestart', 'poststop'] as const;
/** Session records are made here. */
const runFolder = '/run';

export async function* hookCell(context: SuiteContext, rounds: number, until: number): AsyncGenerator<Row> {
  const [launcher, templates] = [findBeside('build', 'ghostkeep-hook'), findBeside('hooks', 'prestart')];
  if (!launcher || !templates) {
    missing('hook', 'build/ghostkeep-hook or hooks/ is not there');
    return;
  }
  context.say('hook');
  const holder = await hold(context.scratch, many(1, 16), 'synced');
  // Session records of the bench are seen in this mount namespace only, and those of the host are out of the
  // way.
  execFileSync('mount', ['-t', 'tmpfs', 'ghostkeep-bench', runFolder]);
  try {
    const turns = stages.flatMap(stage => {
      const input = stateAt(stage, holder.pid);
      const script = makeScript(context.scratch, path.join(path.dirname(templates), stage));
      const env = { GHOSTKEEP_HOOK_LOG: '/dev/null' };
      return [
        [`${nothing}, ${stage}`, () => timed([nothing], { input })],
        [stage, () => timed([launcher, stage, script], { input, env })],
      ];
    });
    const samples = await interleave(Object.fromEntries(turns), rounds, until);
    for (const stage of stages) {
      const pair = { [ours]: samples[stage] ?? [], [nothing]: samples[`${nothing}, ${stage}`] ?? [] };
      const row = { suite: 'start', case: `hook ${stage}`, filesystem: '', state: '' };
      yield withAdded(makeRow({ ...row, samples: pair }), mostAddedByHook);
    }
  } finally {
    execFileSync('umount', [runFolder]);
    await holder.end();
  }
}

/** Fills the template of a hook's script in, as install.sh does. */
function makeScript(folder: string, template: string): string {
  const script = path.join(folder, path.basename(template));
  const command = ownCommand().map(word => `'${word}'`);
  const text = fs.readFileSync(template, 'utf8').replace('@COMMAND@', command.join(' '));
  fs.writeFileSync(script, text, { mode: 0o755 });
  return script;
}

/** Source: OCI runtime-spec, runtime.md, State. A stopped container has no process any more. */
function stateAt(stage: (typeof stages)[number], pid: number): string {
  return JSON.stringify({
    ociVersion: '1.0.2',
    id: 'ghostkeep-bench',
    status: stage === 'prestart' ? 'created' : 'stopped',
    ...(stage === 'prestart' ? { pid } : {}),
    bundle: '/',
    annotations: { 'io.ghostkeep.enabled': 'true' },
  });
}
