import type { EngineName } from '../../../base/host/host.js';
import { encodeGhostHead } from '../../../criu/ghost-file.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

export interface TriedEngine {
  engine: EngineName;
  /** The image shares the file's blocks, and no bytes are copied. */
  isShared: boolean;
  /** The engine that was asked for cannot be used there. */
  inVain: boolean;
}

/** Large enough to be shared: ranges of 64 KiB and more are shared where that is possible. */
const fileBytes = 256 << 10;

/**
 * Makes a small file in FOLDER, copies it as a ghost is copied, and removes the file and its image.
 * @throws an errno error where it may not write there
 */
export async function tryEngine(
  context: TestbedContext,
  folder: string,
  asked: EngineName,
): Promise<TriedEngine> {
  const { testbed } = context;
  const { files, engine } = context.host;
  const scratch = testbed.makeScratch(folder);
  const fds: number[] = [];
  try {
    files.replace(`${scratch}/file`, Buffer.alloc(fileBytes, 1), { durable: true });
    const ghostFd = files.open(`${scratch}/file`);
    fds.push(ghostFd);
    const imageFd = files.create(`${scratch}/image`);
    fds.push(imageFd);
    const size = BigInt(fileBytes);
    const header = encodeGhostHead({
      uid: 0,
      gid: 0,
      mode: 0o100600,
      dev: 0n,
      ino: 0n,
      atimeNs: 0n,
      mtimeNs: 0n,
      size,
    });
    const report = await engine.dump({
      ghostFd,
      imageFd,
      engine: asked,
      size,
      header,
      chunked: true,
      detectZeroes: false,
    });
    return {
      engine: report.engine,
      isShared: report.ways.includes('reflink'),
      inVain: asked === 'fiemap' && report.engine !== 'fiemap',
    };
  } finally {
    for (const fd of fds) files.close(fd);
    files.removeTree(scratch);
  }
}
