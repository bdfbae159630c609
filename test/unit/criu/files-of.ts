/** Shows files.img line by line, to see how each regular file was written. */
import { magic, splitImage } from '../../../src/criu/frame.js';
import { decode } from '../../../src/criu/message.js';
import { fileEntry } from '../../../src/criu/messages.js';

/** `1 /data/x @30`, or `1 file[1e:1] external` */
export function filesOf(image: Buffer): string[] {
  return splitImage(image, magic.FILES, 'files.img').map(bytes => {
    const { id, reg } = decode(fileEntry, bytes, 'files.img');
    const name = Buffer.from(reg?.name ?? []).toString('latin1');
    return `${id} ${name}${reg?.ext ? ' external' : reg?.mntId ? ` @${reg.mntId}` : ''}`;
  });
}
