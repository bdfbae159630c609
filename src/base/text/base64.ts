import { GhostkeepError } from '../errors.js';

/**
 * Node.js ignores characters that are not base64 and stops at padding, so other readers could see more in a
 * text than we do. This function accepts only exact base64.
 * @throws BAD_INPUT for any text that Buffer's toString('base64') does not give
 */
export function bytesFromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text) return bytes;
  const shown = JSON.stringify(text.slice(0, 80));
  throw new GhostkeepError('BAD_INPUT', shown, `${shown} is not base64`);
}
