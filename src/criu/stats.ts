/**
 * CRIU's own times of a dump, which it leaves in stats-dump. Source: CRIU images/stats.proto, criu/stats.c.
 */
import { FieldReader } from './field-reader.js';
import { broken, entryPlaces, magic } from './frame.js';

/** In microseconds; undefined where CRIU wrote none. */
export interface DumpTimes {
  /** The time until all processes were frozen. */
  freezing?: number;
  /** The time from then on until the processes went on, or ended. */
  frozen?: number;
  /** How long memory was read in that time. */
  memoryDump?: number;
  /** How long memory was written to the images in that time. */
  memoryWrite?: number;
}

const names = [undefined, 'freezing', 'frozen', 'memoryDump', 'memoryWrite'] as const;

/** @throws CRIU_IMAGE_INVALID */
export function dumpTimes(stats: Buffer): DumpTimes {
  const times: DumpTimes = {};
  const reader = new FieldReader(stats);
  for (const { start, end } of entryPlaces(stats, magic.STATS, 'stats-dump')) {
    reader.pos = start;
    try {
      while (reader.next(end)) {
        if (reader.field === 1) readTimes(reader, reader.endOfField(end), times);
        else reader.skip(end);
      }
    } catch (cause) {
      throw broken('stats-dump', `an entry is not a StatsEntry (${(cause as Error).message})`);
    }
  }
  return times;
}

function readTimes(reader: FieldReader, end: number, times: DumpTimes): void {
  while (reader.next(end)) {
    const name = names[reader.field];
    if (name) times[name] = reader.uint32();
    else reader.skip(end);
  }
}
