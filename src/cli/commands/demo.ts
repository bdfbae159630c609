import { findRealTools } from '../../flows/try-hooks/runc/tools.js';
import { realThing } from '../../flows/try-hooks/runc/trial-of-runc.js';
import { parse } from '../args.js';
import { printJson } from '../print/json.js';
import { inTestbed, playTrial, showStep, showTrial, timelineHead } from '../trial.js';

const intro = `A file that is open but has no name any more lives only as long as its process. CRIU, which checkpoints
containers, gives up on such a "ghost" when it is larger than 1 MiB. ghostkeep keeps it.

This demo has two parts:
1. Without a container: a workload makes ghosts, ghostkeep's hooks dump them while it is frozen, it is killed,
   and a new process gets them back.
2. Where this is root and finds runc and CRIU: the same with a real container.

It takes some ten seconds, a minute with a container. It installs nothing and works in a temporary folder,
which it removes. On the host it leaves nothing but the empty folder of ghostkeep's session records
(/run/ghostkeep for root).

1. Without a container

`;

export async function demoCommand(args: string[]): Promise<number> {
  const { values } = parse('demo', args, { json: { type: 'boolean' } });
  const say = (text: string) => {
    if (!values.json) process.stdout.write(text);
  };
  say(intro + timelineHead);
  const trial = await playTrial({ keep: false, onStep: step => say(showStep(step)) });
  say(showTrial(trial));
  const container = trial.ok ? await realContainer(say) : 'not tried';
  if (values.json) printJson({ trial, container });
  return trial.ok && container !== 'failed' ? 0 : 1;
}

function realContainer(say: (text: string) => void): Promise<'equal' | 'failed' | 'skipped'> {
  return inTestbed({ keep: false }, async context => {
    const tools = await findRealTools(context, process.env['PATH'] ?? '');
    if (typeof tools === 'string') {
      say(`\n2. With runc and CRIU: skipped, ${tools}.\n`);
      return 'skipped';
    }
    say(`\n2. With runc and CRIU: a container that CRIU alone cannot checkpoint.\n\n${timelineHead}`);
    const worked = await realThing(context, tools, step => say(showStep(step)));
    say(worked ? '\nThe container goes on with its file.\n' : '\nFAILED\n');
    return worked ? 'equal' : 'failed';
  });
}
