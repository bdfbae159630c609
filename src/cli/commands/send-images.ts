import { counted } from '../../base/text/counted.js';
import { countToJson, showBytes } from '../../base/units.js';
import { sendImages } from '../../flows/move/send-images.js';
import { parse, required, usage } from '../args.js';
import { targetOf, targetOptions } from '../options/target.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { contextWithProgress, progressFdOf, progressOption, verboseOption } from '../progress/for-command.js';

export async function sendImagesCommand(args: string[]): Promise<number> {
  const { values } = parse('send-images', args, {
    'images-dir': { type: 'string', short: 'D' },
    ...targetOptions,
    ...verboseOption,
    ...progressOption,
    json: { type: 'boolean' },
  });
  const images = required('send-images', '-D', values['images-dir']);
  const context = contextWithProgress({
    ...values,
    progressFd: progressFdOf('send-images', values.progress),
  });
  const target = targetOf(context, 'send-images', values);
  if (!target) throw usage('send-images', '--to or --via is missing');
  const sent = await sendImages(context, images, target);
  if (values.json) printJson({ ...sent, bytes: countToJson(sent.bytes) });
  else
    process.stdout.write(
      line(
        `${sent.to} has the checkpoint: ${counted(sent.files, 'file')} of ${sent.images} (${showBytes(sent.bytes)}), ${counted(sent.ghosts, 'ghost')}`,
      ),
    );
  return 0;
}
