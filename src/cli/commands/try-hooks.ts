import type { HookTrial, TriedCall } from '../../base/documents/generated/hook-trial.js';
import { counted } from '../../base/text/counted.js';
import { tryHook } from '../../flows/try-hooks/others/try-hook.js';
import { oneOf, parse, positive, usage } from '../args.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { inTestbed, playTrial, showStep, showTrial, timelineHead } from '../trial.js';

export async function tryHooksCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(
    'try-hooks',
    args,
    {
      bundle: { type: 'string' },
      keep: { type: 'boolean', default: false },
      hook: { type: 'string' },
      stage: { type: 'string', multiple: true },
      timeout: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    'any',
  );
  const { hook, stage, timeout, bundle, keep } = values;
  const say = (text: string) => {
    if (!values.json) process.stdout.write(text);
  };
  if (hook !== undefined) {
    if (bundle !== undefined || keep)
      throw usage('try-hooks', '--hook goes with neither --bundle nor --keep');
    const stages = stage?.map(name =>
      oneOf('try-hooks', '--stage', name, ['prestart', 'createRuntime', 'poststop']),
    );
    const tried = await inTestbed({ keep: false }, context =>
      tryHook(context, {
        hook,
        args: positionals,
        ...(stages === undefined ? {} : { stages: [...new Set(stages)] }),
        ...(timeout === undefined ? {} : { timeoutSeconds: positive('try-hooks', '--timeout', timeout) }),
        onCall: call => say(showCall(call)),
      }),
    );
    say(showVerdict(tried));
    if (values.json) printJson(tried);
    return tried.ok ? 0 : 1;
  }
  if (stage !== undefined || timeout !== undefined || positionals.length > 0)
    throw usage('try-hooks', '--stage, --timeout and arguments go with --hook');
  say(timelineHead);
  const trial = await playTrial({
    ...(bundle === undefined ? {} : { bundle }),
    keep,
    onStep: step => say(showStep(step)),
  });
  say(showTrial(trial));
  if (values.json) printJson(trial);
  return trial.ok ? 0 : 1;
}

function showCall({ as, stage, point, ms, wrong, stderr = '' }: TriedCall): string {
  const first = line(
    `${wrong.length === 0 ? 'ok   ' : 'WRONG'}  ${stage.padEnd(13)}  ${as}: ${point} (${ms} ms)`,
  );
  if (wrong.length === 0) return first;
  const said = stderr.trim().split('\n').filter(Boolean).slice(-5);
  return `${first}${wrong.map(text => line(`         ${text}`)).join('')}${said.map(text => line(`         | ${text}`)).join('')}`;
}

function showVerdict({ ok, hook, calls }: HookTrial): string {
  const wrong = calls.filter(call => call.wrong.length > 0).length;
  return line(
    ok
      ? `${hook} did nothing wrong in ${counted(calls.length, 'call')}`
      : `${hook} did something wrong in ${wrong} of ${counted(calls.length, 'call')}`,
  );
}
