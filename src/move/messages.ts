/**
 * The payloads that are JSON. A sender may be hostile: a payload has 1 MiB at most, and its schema bounds the
 * rest.
 */
import { type DocumentKind, parseDocument } from '../base/documents/document.js';

export type { MoveCommit } from '../base/documents/generated/move-commit.js';
export type { MoveCommitted } from '../base/documents/generated/move-committed.js';
export type { MoveFail } from '../base/documents/generated/move-fail.js';
export type { MoveFile } from '../base/documents/generated/move-file.js';
export type { MoveHello } from '../base/documents/generated/move-hello.js';
export type { MoveSeal, MoveSealGhost } from '../base/documents/generated/move-seal.js';
export type { MoveWelcome } from '../base/documents/generated/move-welcome.js';

/** @param frame the name of the frame, for the message. @throws MOVE_STREAM */
export function decodeMessage<T>(kind: DocumentKind, payload: Buffer, frame: string): T {
  return parseDocument<T>(kind, payload.toString('utf8'), `frame ${frame}`, 'MOVE_STREAM');
}

export function encodeMessage(message: object): Buffer {
  return Buffer.from(JSON.stringify(message));
}
