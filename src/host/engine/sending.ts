import { errnoOf } from '../../base/errors.js';
import type { Carrier, EngineReport, OnProgress, Sender, Sending } from '../../base/host/host.js';
import { call, callOnThread, engineNumber } from '../native/call.js';
import { isBorrowed } from '../pin/borrow.js';
import { watched } from './watched.js';

/** ANSWER_BYTES of native/engine/move/sender.h. */
const answerBytes = 65536;
const none = 0xffffffff;

export const sending: Sending = {
  start(words, environment) {
    const started = Buffer.alloc(12);
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    call('gk_carrier_start', strings(words), words.length, strings(variables), variables.length, started);
    return { pid: started.readInt32LE(0), to: started.readInt32LE(4), from: started.readInt32LE(8) };
  },

  async end({ pid, to, from }: Carrier, waitMs) {
    const started = Buffer.alloc(12);
    for (const [index, value] of [pid, to, from].entries()) started.writeInt32LE(value, 4 * index);
    const status = Buffer.alloc(4);
    await callOnThread('gk_carrier_end', started, waitMs, status);
    return status.readInt32LE(0);
  },

  async open({ to, from }, { patienceMs, stallMs = 0, openMs = patienceMs }) {
    const sender = Buffer.alloc(8);
    await callOnThread('gk_send_open', to, from, patienceMs, stallMs, openMs, sender);
    return sender.readBigUInt64LE(0);
  },

  close(sender) {
    return call('gk_send_close', sender).dataBytes;
  },

  useTables(sender, folderFd) {
    call('gk_send_tables', sender, folderFd);
  },

  waitForSteps(sender, stallMs) {
    call('gk_send_patiently', sender, stallMs);
  },

  async say(sender, type, payload, awaited = 0) {
    await callOnThread('gk_send_message', sender, type, payload, payload.byteLength, awaited);
  },

  async answer(sender) {
    const { room, length } = makeRoom();
    await callOnThread('gk_send_await', sender, room, length);
    return room.subarray(0, length.readUInt32LE(0));
  },

  failure(sender) {
    const { room, length } = makeRoom();
    try {
      call('gk_send_failure', sender, room, length);
      return room.subarray(0, length.readUInt32LE(0));
    } catch (error) {
      if (errnoOf(error) !== 'ENODATA') throw error;
      return undefined;
    }
  },

  ghost(sender, { fd, engine, size, key }, onProgress): Promise<EngineReport> {
    // A borrowed descriptor shares its file offset with its holder, and `read` is the only engine that never
    // moves the offset.
    const number = engineNumber(isBorrowed(fd) ? 'read' : engine);
    return watched(onProgress, progress =>
      callOnThread('gk_send_ghost', sender, fd, number, size, Buffer.from(`${key}\0`), progress),
    );
  },

  needed(sender) {
    const found: number[] = [];
    const next = Buffer.alloc(4);
    for (let from = 0; ; from = next.readUInt32LE(0) + 1) {
      call('gk_send_needed', sender, from, next);
      if (next.readUInt32LE(0) === none) return found;
      found.push(next.readUInt32LE(0));
    }
  },

  file(sender: Sender, fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_send_file', sender, fd, size, progress));
  },
};

/**
 * Joins the texts, with a NUL behind each. @throws EINVAL where a text has a NUL in it, because C would stop
 * reading there
 */
function strings(list: readonly string[]): Buffer {
  if (list.some(text => text.includes('\0')))
    throw Object.assign(new Error('EINVAL: a NUL in an argument'), { code: 'EINVAL' });
  return Buffer.from(list.map(text => `${text}\0`).join('') || '\0');
}

function makeRoom() {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(answerBytes);
  return { room: Buffer.alloc(answerBytes), length };
}
