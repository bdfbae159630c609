import type { EngineReport, Layers, Level, OnProgress, Part } from '../../base/host/host.js';
import { callOnThread, failedReport } from '../native/call.js';
import { layerName, level as layout, part as partLayout } from '../native/layout.js';
import { watched } from './watched.js';

export class NativeLayers implements Layers {
  share(fromFd: number, toFd: number, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_share', fromFd, toFd, progress));
  }

  async pack(
    { ghost, parent, mapFd, dataFd }: Parameters<Layers['pack']>[0],
    onProgress?: OnProgress,
  ): ReturnType<Layers['pack']> {
    const [levels, parents] = [encode(ghost), encode(parent)];
    const name = Buffer.alloc(layerName.bytes);
    const report = await watched(onProgress, progress =>
      callOnThread('gk_pack', levels, ghost.length, parents, parent.length, mapFd, dataFd, name, progress),
    );
    return { ...report, name: showName(name) };
  }

  countJoined(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport> {
    return this.pack({ ghost: levels, parent: [], mapFd: -1, dataFd: -1 }, onProgress);
  }

  unpack(
    levels: readonly Level[],
    toFd: number,
    header: Uint8Array = new Uint8Array(0),
    onProgress?: OnProgress,
  ): Promise<EngineReport> {
    return watched(onProgress, progress =>
      callOnThread('gk_unpack', encode(levels), levels.length, toFd, header, header.byteLength, progress),
    );
  }

  async unpackPart(
    levels: readonly Level[],
    toFd: number,
    header: Uint8Array | undefined,
    { first, mostBytes, checkFrom }: Part,
    onProgress?: OnProgress,
  ): ReturnType<Layers['unpackPart']> {
    const { at, bytes } = partLayout;
    const part = Buffer.alloc(bytes);
    part.writeBigUInt64LE(first, at.first);
    part.writeBigUInt64LE(mostBytes, at.most_bytes);
    part.writeBigUInt64LE(checkFrom === undefined ? 0n : checkFrom + 1n, at.check);
    const head = header ?? new Uint8Array(0);
    const report = await watched(onProgress, progress =>
      callOnThread(
        'gk_unpack_part',
        encode(levels),
        levels.length,
        toFd,
        head,
        head.byteLength,
        part,
        progress,
      ),
    );
    const isDone = part.readBigUInt64LE(at.done) === 1n;
    return { report, next: isDone ? undefined : part.readBigUInt64LE(at.next) };
  }

  giveUp(
    levels: readonly Level[],
    depth: number,
    recordFd: number | undefined,
    taker: number,
    onProgress?: OnProgress,
  ): Promise<EngineReport> {
    return watched(onProgress, progress =>
      callOnThread('gk_give_up', encode(levels), levels.length, depth, recordFd ?? -1, taker, progress),
    );
  }

  punch(level: Level, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_punch', encode([level]), progress));
  }

  async surveyLayer(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport> {
    try {
      return await this.checkLayer(levels, onProgress);
    } catch (error) {
      const report = failedReport(error);
      if (!report || report.differingBytes === 0n) throw error;
      return report;
    }
  }

  checkLayer(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress =>
      callOnThread('gk_check_layer', encode(levels), levels.length, progress),
    );
  }

  async layerName(mapFd: number): Promise<string> {
    const name = Buffer.alloc(layerName.bytes);
    await callOnThread('gk_layer_name', mapFd, name);
    return showName(name);
  }
}

const showName = (name: Buffer) => `blake3:${name.toString('hex')}`;

/** Encodes LEVELS as structs gk_level, one after the other. */
function encode(levels: readonly Level[]): Buffer {
  const buffer = Buffer.alloc(Math.max(1, levels.length) * layout.bytes, 0xff);
  for (const [index, level] of levels.entries()) {
    const at = index * layout.bytes;
    if ('imageFd' in level) buffer.writeBigInt64LE(BigInt(level.imageFd), at + layout.at.image_fd);
    else {
      buffer.writeBigInt64LE(BigInt(level.mapFd), at + layout.at.map_fd);
      buffer.writeBigInt64LE(BigInt(level.dataFd), at + layout.at.data_fd);
    }
    if (level.givenFd !== undefined) buffer.writeBigInt64LE(BigInt(level.givenFd), at + layout.at.given_fd);
    buffer.writeBigUInt64LE(level.givenBelow ?? 0n, at + layout.at.given_below);
  }
  return buffer;
}
