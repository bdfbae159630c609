/** The document in a receiver's working folder that says which receiver it is, and what it is doing. */
import { bounds } from '../../base/bounds.js';
import { parseDocument } from '../../base/documents/document.js';
import type { Receiver } from '../../base/documents/generated/receiver.js';
import { receiverName } from '../../image/layout.js';
import type { Context } from '../context.js';

export function readReceiver({ host: { files } }: Context, images: string): Receiver | undefined {
  const path = `${images}/${receiverName}`;
  const text = files.readIfThere(path, bounds.receiver)?.toString('utf8');
  if (text === undefined) return undefined;
  return parseDocument<Receiver>('Receiver', text, files.realPath(path), bounds.receiver.code);
}

export function writeReceiver(files: Context['host']['files'], images: string, receiver: Receiver): void {
  files.replace(`${images}/${receiverName}`, Buffer.from(`${JSON.stringify(receiver)}\n`), { durable: true });
}
