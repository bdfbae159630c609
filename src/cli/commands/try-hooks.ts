import { parse } from '../args.js';
import { printJson } from '../print/json.js';
import { playTrial, showStep, showTrial, timelineHead } from '../trial.js';

export async function tryHooksCommand(args: string[]): Promise<number> {
  const { values } = parse('try-hooks', args, {
    bundle: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  });
  const say = (text: string) => {
    if (!values.json) process.stdout.write(text);
  };
  say(timelineHead);
  const trial = await playTrial({
    ...(values.bundle === undefined ? {} : { bundle: values.bundle }),
    keep: values.keep,
    onStep: step => say(showStep(step)),
  });
  say(showTrial(trial));
  if (values.json) printJson(trial);
  return trial.ok ? 0 : 1;
}
