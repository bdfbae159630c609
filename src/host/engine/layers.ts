import type { EngineReport, Layers, Level, OnProgress } from '../../base/host/host.js';
import { callOnThread } from '../native/call.js';
import { layerName, level as layout } from '../native/layout.js';
import { watched } from './watched.js';

export class NativeLayers implements Layers {
  share(fromFd: number, toFd: number, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_share', fromFd, toFd, progress));
  }

  pack(
    { ghost, parent, mapFd, dataFd }: Parameters<Layers['pack']>[0],
    onProgress?: OnProgress,
  ): Promise<EngineReport> {
    const [levels, parents] = [encode(ghost), encode(parent)];
    return watched(onProgress, progress =>
      callOnThread('gk_pack', levels, ghost.length, parents, parent.length, mapFd, dataFd, progress),
    );
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

  checkLayer(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress =>
      callOnThread('gk_check_layer', encode(levels), levels.length, progress),
    );
  }

  async layerName(mapFd: number): Promise<string> {
    const name = Buffer.alloc(layerName.bytes);
    await callOnThread('gk_layer_name', mapFd, name);
    return `blake3:${name.toString('hex')}`;
  }
}

/** Structs gk_level, one behind the other. */
function encode(levels: readonly Level[]): Buffer {
  const buffer = Buffer.alloc(Math.max(1, levels.length) * layout.bytes, 0xff);
  for (const [index, level] of levels.entries()) {
    const at = index * layout.bytes;
    if ('imageFd' in level) buffer.writeBigInt64LE(BigInt(level.imageFd), at + layout.at.image_fd);
    else {
      buffer.writeBigInt64LE(BigInt(level.mapFd), at + layout.at.map_fd);
      buffer.writeBigInt64LE(BigInt(level.dataFd), at + layout.at.data_fd);
    }
  }
  return buffer;
}
