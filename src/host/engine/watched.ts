import type { EngineReport, IsOver, OnProgress } from '../../base/host/host.js';
import { progress as layout } from '../native/layout.js';

const progressEveryMs = 500;
/** A fast disk takes some ten MiB in this time. */
const askEveryMs = 10;

/** Polls struct gk_progress while the call runs, and once more when it has ended. */
export async function watched(
  onProgress: OnProgress | undefined,
  start: (progress: Buffer) => Promise<EngineReport>,
  isOver?: IsOver,
): Promise<EngineReport> {
  const progress = Buffer.alloc(layout.bytes);
  const timer =
    onProgress &&
    setInterval(() => onProgress(progress.readBigUInt64LE(layout.at.done_bytes)), progressEveryMs);
  let failed: unknown;
  const asking =
    isOver &&
    setInterval(() => {
      try {
        if (!isOver()) return;
      } catch (error) {
        // If this timer threw the error, the process would end. So the error is kept and thrown below.
        failed ??= error;
      }
      progress.writeUInt32LE(1, layout.at.cancel);
    }, askEveryMs);
  try {
    const report = await start(progress).catch(error => {
      throw failed ?? error;
    });
    onProgress?.(progress.readBigUInt64LE(layout.at.done_bytes));
    return report;
  } finally {
    clearInterval(timer);
    clearInterval(asking);
  }
}
