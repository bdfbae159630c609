/** Prints a stream of a sender, one line for each frame, and stores nothing: `receive --dump`. */
import { GhostkeepError } from '../../base/errors.js';
import type { Link } from '../../base/host/host.js';
import { type Operations, Reader } from '../../move/reader.js';
import { interrupted, Peer } from './peer.js';

/** @throws MOVE_VERSION, MOVE_STREAM, MOVE_INTERRUPTED, after the lines before the fault */
export async function showStream(link: Link, print: (line: string) => void): Promise<void> {
  const peer = new Peer(link);
  peer.expectGreeting();
  const reader = new Reader(printer(print));
  for (let frame = peer.receive(); frame; frame = peer.receive()) {
    try {
      await reader.take(frame);
    } catch (error) {
      if (error instanceof GhostkeepError) print(`frame ${frame.sequence} of type ${frame.type} is wrong`);
      throw error;
    }
  }
  if (!reader.isAtRest) throw interrupted('the stream ends here');
}

function printer(print: (line: string) => void): Operations {
  const range = (offset: bigint, length: bigint) => `[${offset}, ${offset + length})`;
  return {
    hello: ({ purpose, build }) => print(`hello ${purpose}, from ${build}`),
    ghost: ({ handle, key, size, isRepair }) =>
      print(`ghost ${handle} ${key}, ${size} bytes${isRepair ? ', repaired' : ''}`),
    data: (offset, bytes) => print(`  data ${range(offset, BigInt(bytes.length))}`),
    zero: (offset, length, isAllocated) =>
      print(`  ${isAllocated ? 'unwritten' : 'zero'} ${range(offset, length)}`),
    same: (offset, length, digest) => print(`  same ${range(offset, length)} ${digest.toString('hex')}`),
    patch: ({ offset, length, digest, bytes }) =>
      print(
        `  patch ${range(offset, length)} ${Buffer.from(digest).toString('hex')}, ${bytes.byteLength} bytes`,
      ),
    end: () => print('  end'),
    commit: keys => print(`commit ${keys.join(' ')}`),
    file: ({ name, size, mode }) => print(`file ${name}, ${size} bytes, mode ${mode.toString(8)}`),
    fileData: (offset, bytes) => print(`  file-data ${range(offset, BigInt(bytes.length))}`),
    fileEnd: digest => print(`  file-end ${digest.toString('hex')}`),
    seal: ({ ghosts, gone }) =>
      print(
        `seal ${[...ghosts.map(({ key, image }) => `${key}=${image}`), ...gone.map(key => `${key}=gone`)].join(' ')}`,
      ),
  };
}
