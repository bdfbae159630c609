import type { EngineName, EngineReport, OnProgress } from './engine.js';

/** A program between sender and receiver, which carries bytes from its stdin and to its stdout. */
export interface Carrier {
  pid: number;
  /** Descriptors: its stdin and its stdout. */
  to: number;
  from: number;
}

/** The sender's state in the library, from `open` to `close`. */
export type Sender = bigint;

/**
 * The sender's side of moving (native/include/ghostkeep-send.h, src/move/PROTOCOL.md). Calls reject with an
 * errno error: ECONNREFUSED where the receiver has given up, and others where the connection is lost or a file
 * cannot be read. Calls that wait do so on another thread, with the sender's patience as their deadline.
 */
export interface Sending {
  /** @param words the program's path and its arguments. @param environment all that the program gets */
  start(words: readonly string[], environment: Readonly<Record<string, string>>): Carrier;
  /** Closes its descriptors and waits for it. @returns its exit status, or 128 and the signal that ended it */
  end(carrier: Carrier, waitMs: number): Promise<number>;
  /** Greets the receiver. @throws EPROTO where it is none of this version */
  open(carrier: Carrier, patienceMs: number): Promise<Sender>;
  close(sender: Sender): void;
  /** @param folderFd the folder of the tables for this receiver */
  useTables(sender: Sender, folderFd: number): void;
  /** Sends a frame. With AWAITED, `answer` will wait for a frame of that type. */
  say(sender: Sender, type: number, payload: Uint8Array, awaited?: number): Promise<void>;
  answer(sender: Sender): Promise<Buffer>;
  /** The payload of the receiver's `fail`; undefined where it sent none. */
  failure(sender: Sender): Buffer | undefined;
  /**
   * `dataBytes` are those of the ghost that are not zero, `keptBytes` those that the receiver had,
   * `differingBytes` those that were sent, and `imageBytes` all that went over the connection.
   * @throws ESTALE where the ghost is shorter than SIZE
   */
  ghost(
    sender: Sender,
    ghost: { fd: number; engine: EngineName; size: bigint; key: string },
    onProgress?: OnProgress,
  ): Promise<EngineReport>;
  /** Which calls of `ghost`, counted from 0, have to be made again: the receiver lacks blocks. */
  needed(sender: Sender): number[];
  /** The content of a file and its digest, after `file` has announced it. */
  file(sender: Sender, fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport>;
}
