/** Image directories whose files.img only CRIU can write. */
import { GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';

/** Source: criu-image-streamer, the socket CRIU connects to when it dumps with --stream. */
const streamerSocket = 'streamer-capture.sock';
/** Source: checkpoint-restore/criu#2297. If this image is there, CRIU encrypts its images, files.img too. */
const cipherImage = 'cipher.img';

const unsealable: readonly [name: string, what: string][] = [
  [streamerSocket, 'the image is streamed (criu-image-streamer)'],
  [cipherImage, `CRIU encrypts the image (${cipherImage})`],
];

/** Called before a dump. @returns for a message, why all ghosts have to be left to CRIU */
export function whyUnsealable(files: Files, images: string): string | undefined {
  const what = unsealable.find(([name]) => files.exists(`${images}/${name}`))?.[1];
  return what && `${what}, which ghostkeep cannot seal: ghosts are left to CRIU and its limit`;
}

/**
 * Called at a seal: if CRIU has written cipher.img after it left the ghosts to us, files.img is encrypted.
 * @throws SEAL_FAILED, and nothing in IMAGES is touched
 */
export function assertNotEncrypted(files: Files, images: string): void {
  if (!files.exists(`${images}/${cipherImage}`)) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'SEAL_FAILED',
    where,
    `cannot seal ${where}: CRIU has encrypted this checkpoint (${cipherImage}), and files.img cannot be written anew; the ghosts are whole in ${where}/ghostkeep: where the processes live, checkpoint again without encryption; else decrypt the images, remove ${cipherImage} and \`ghostkeep seal -D ${where}\``,
  );
}
