import type { Doctor } from '../../base/documents/generated/doctor.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { examine } from '../../flows/rounds/doctor.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../print/line.js';

export async function doctorCommand(args: string[]): Promise<number> {
  const { values } = parse('doctor', args, {
    clean: { type: 'boolean' },
    'images-dir': { type: 'string', short: 'D' },
    json: { type: 'boolean' },
  });
  const images = values['images-dir'];
  const result = examine(makeContext(), {
    clean: values.clean ?? false,
    ...(images === undefined ? {} : { images: required('doctor', '-D', images) }),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : showDoctor(result));
  return 0;
}

export function showDoctor({ bases }: Doctor): string {
  const found = bases.filter(({ count }) => count > 0);
  if (found.length === 0) return 'no bases of `ghostkeep pre-dump` are on this host\n';
  return found
    .map(({ folder, container, count, bytes, state, pids }) => {
      const whose = container === undefined ? '' : ` of container ${container}`;
      const why = {
        awaited: `process ${pids.join(', ')} lives, and its next checkpoint takes them`,
        'left-over': 'nobody comes for them, and `ghostkeep doctor --clean` removes them',
        removed: 'nobody came for them: removed',
      }[state];
      return line(
        `${counted(count, 'base')}${whose} in ${folder}, ${showBytes(countFromJson(bytes))}: ${why}`,
      );
    })
    .join('');
}
