/** One connection to the receiver, in this process: the stream is a file, and so are the answers. */
import fs from 'node:fs';
import path from 'node:path';
import type { Host } from '../../../../src/base/host/host.js';
import { silent } from '../../../../src/base/log.js';
import { type Received, receive } from '../../../../src/flows/receive/receive.js';
import { linuxHost } from '../../../../src/host/linux.js';
import { type Answer, parseAnswers } from '../../move-stream.js';

export interface Outcome {
  answers: Answer[];
  received?: Received;
  error?: unknown;
}

/** @param scratch a folder for the two files @param adapt the host that the receiver gets */
export async function connect(
  images: string,
  scratch: string,
  stream: Buffer,
  mostBytes?: bigint,
  onSync: (fd: number) => void = () => {},
  adapt: (host: Host) => Host = host => host,
): Promise<Outcome> {
  const [input, output] = ['stream', 'answers'].map(name => path.join(scratch, name)) as [string, string];
  fs.writeFileSync(input, stream);
  const [inFd, outFd] = [fs.openSync(input, 'r'), fs.openSync(output, 'w')];
  const real = linuxHost();
  const { store } = real.moving;
  const told = (sync: (fd: number) => void) => (fd: number) => {
    onSync(fd);
    sync(fd);
  };
  const watched = { ...store, sync: told(store.sync), syncDisk: told(store.syncDisk) };
  const host = { ...real, moving: { ...real.moving, store: watched } };
  const link = host.moving.openLink(inFd, outFd, 30_000);
  const outcome: Outcome = { answers: [] };
  try {
    outcome.received = await receive(
      { host: adapt(host), log: silent, tool: 'a test' },
      { images, link, build: 'a test', mostBytes },
    );
  } catch (error) {
    outcome.error = error;
  } finally {
    link.close();
    fs.closeSync(inFd);
    fs.closeSync(outFd);
  }
  outcome.answers = parseAnswers(fs.readFileSync(output));
  return outcome;
}
