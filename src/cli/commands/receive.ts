import { counted } from '../../base/text/counted.js';
import { parseSize } from '../../base/units.js';
import { deadMs } from '../../flows/receive/peer.js';
import { receive } from '../../flows/receive/receive.js';
import { showStream } from '../../flows/receive/show-stream.js';
import { parse, required, usage } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../print/line.js';
import { version } from '../version.js';

const [stdin, stdout] = [0, 1];

export async function receiveCommand(args: string[]): Promise<number> {
  const { values } = parse('receive', args, {
    'images-dir': { type: 'string', short: 'D' },
    'max-bytes': { type: 'string' },
    dump: { type: 'boolean' },
  });
  const context = makeContext();
  if (values.dump) {
    if (values['images-dir'] !== undefined) throw usage('receive', '--dump stores nothing and takes no -D');
    const link = context.host.moving.openLink(stdin, undefined, deadMs);
    await showStream(link, text => process.stdout.write(line(text)));
    link.close();
    return 0;
  }
  const images = required('receive', '-D', values['images-dir']);
  const most = values['max-bytes'];
  const link = context.host.moving.openLink(stdin, stdout, deadMs);
  const { ghosts, sealed } = await receive(context, {
    images,
    link,
    build: `ghostkeep ${version}`,
    mostBytes: most === undefined ? undefined : parseSize(most, '--max-bytes'),
  });
  link.close();
  const where = context.host.files.realPath(images);
  process.stderr.write(line(`${where}: ${counted(ghosts, 'ghost')} ${sealed ? 'sealed' : 'received'}`));
  return 0;
}
