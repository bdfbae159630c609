/**
 * The printers of a Progress. Each is called at every change and prints only now and then. None needs a
 * timer: work that goes on without the event loop calls them, too.
 */
import type { ProgressState } from '../../base/progress.js';
import { countToJson } from '../../base/units.js';
import { line } from '../print/line.js';
import { rate, showProgress } from './show-progress.js';

/** Called at every change. LOOK returns the state, which takes time to compute. */
export type Printer = (look: () => ProgressState | undefined) => void;

export interface Pace {
  /** In milliseconds. */
  clock(): number;
  /** Nothing is printed before so much time has passed: most commands have ended by then. */
  afterMs: number;
  everyMs: number;
}

/** One line, written again and again. */
export interface TerminalLine {
  print: Printer;
  /** Removes the line, before somebody else writes. */
  clear(): void;
}

/** Source: console_codes(4): back to the first column, and erase to the end of the line */
const clearLine = '\r\x1b[K';

/** @param columns of the terminal; undefined where it does not say */
export function terminalLine(
  write: (text: string) => void,
  columns: () => number | undefined,
  pace: Pace,
): TerminalLine {
  let isThere = false;
  return {
    print: paced(pace, state => {
      const text = line(showProgress(state)).trimEnd();
      write(`${clearLine}${text.slice(0, (columns() || 80) - 1)}`);
      isThere = true;
    }),
    clear() {
      if (isThere) write(clearLine);
      isThere = false;
    },
  };
}

/** Lines for a log. */
export function textLines(write: (text: string) => void, pace: Pace): Printer {
  return paced(pace, state => write(line(`ghostkeep: ${showProgress(state)}`)));
}

/**
 * JSON lines as restic prints them, so that what shows its progress can show ours. Source: restic's
 * documentation, Scripting, JSON output; `step` and `item` are ours.
 */
export function jsonLines(write: (text: string) => void, pace: Pace): Printer {
  return paced(pace, state => write(`${JSON.stringify(toStatus(state))}\n`));
}

/** @returns what schemas/progress.schema.json describes */
export function toStatus({ what, item, items, itemsDone, bytes, ...state }: ProgressState) {
  const { bytesDone, part, ms, msLeft } = state;
  return {
    message_type: 'status',
    step: what,
    item,
    percent_done: Number(part.toFixed(4)),
    ...(bytes === undefined ? {} : { total_bytes: countToJson(bytes) }),
    bytes_done: countToJson(bytesDone),
    total_files: items,
    files_done: itemsDone,
    bytes_per_second: countToJson(rate(bytesDone, ms)),
    seconds_elapsed: Math.floor(ms / 1000),
    ...(msLeft === undefined ? {} : { seconds_remaining: Math.ceil(msLeft / 1000) }),
  };
}

function paced({ clock, afterMs, everyMs }: Pace, print: (state: ProgressState) => void): Printer {
  let next = clock() + afterMs;
  return look => {
    const now = clock();
    if (now < next) return;
    const state = look();
    if (!state) return;
    next = now + everyMs;
    print(state);
  };
}
