/** The printers of progress, without a terminal and without waiting. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertDocument } from '../../../../src/base/documents/document.js';
import type { ProgressState } from '../../../../src/base/progress.js';
import { jsonLines, terminalLine, textLines } from '../../../../src/cli/progress/printers.js';
import { showProgress } from '../../../../src/cli/progress/show-progress.js';

const copying: ProgressState = {
  what: 'copying',
  item: 'ghost',
  items: 500,
  itemsDone: 120,
  bytes: 8n << 30n,
  bytesDone: 2n << 30n,
  part: 0.25,
  ms: 8000,
  msLeft: 24_000,
};
const waiting: ProgressState = {
  ...copying,
  what: 'waiting for the disk',
  item: 'process',
  bytes: undefined,
  bytesDone: 0n,
  msLeft: undefined,
};
const inWords = 'copying: 25%, 2 GiB of 8 GiB, 256 MiB/s, 24 s left, 120 of 500 ghosts';

function onPaper() {
  const time = { ms: 0 };
  const written: string[] = [];
  const pace = { clock: () => time.ms, afterMs: 1000, everyMs: 200 };
  return { time, written, pace, write: (text: string) => void written.push(text) };
}

describe('progress in words', () => {
  it('a line has how much is done, the pace, the time left, and what is counted', () => {
    assert.equal(showProgress(copying), inWords);
  });

  it('a line leaves out what nobody knows', () => {
    assert.equal(showProgress(waiting), 'waiting for the disk: 25%, 120 of 500 processes');
    assert.equal(showProgress({ ...waiting, items: 1, itemsDone: 1, part: 1 }).slice(-14), '1 of 1 process');
  });

  it('the time left is in minutes and hours where seconds say nothing', () => {
    const left = (msLeft: number) => /, ([^,]*) left/.exec(showProgress({ ...copying, msLeft }))?.[1];
    assert.deepEqual(
      [left(1), left(99_000), left(150_000), left(7_200_000)],
      ['1 s', '99 s', '3 min', '2 h'],
    );
  });
});

describe('a printer of progress', () => {
  it('a command that ends within a second prints no progress, and a longer one prints it no oftener than its pace', () => {
    const { time, written, pace, write } = onPaper();
    const print = textLines(write, pace);
    let looked = 0;
    const look = () => {
      looked += 1;
      return copying;
    };
    for (; time.ms < 1500; time.ms += 50) print(look);
    assert.deepEqual(written, Array(3).fill(`ghostkeep: ${inWords}\n`));
    assert.equal(looked, 3);
  });

  it('on a terminal, progress is one line, no longer than the terminal is wide, and goes when other output comes', () => {
    const { time, written, pace, write } = onPaper();
    const { print, clear } = terminalLine(write, () => 20, pace);
    clear();
    assert.deepEqual(written, []);
    time.ms = 1000;
    print(() => ({ ...copying, what: 'copying\x1b[2J' }));
    assert.equal(written.length, 1);
    const [before, text = '', ...more] = (written[0] ?? '').split('\r\x1b[K');
    assert.deepEqual([before, more, text.length, text.includes('\x1b')], ['', [], 19, false]);
    clear();
    clear();
    assert.deepEqual(written.slice(1), ['\r\x1b[K']);
  });

  it('for programs, progress is JSON lines with the names that restic gives them', () => {
    const { time, written, pace, write } = onPaper();
    const print = jsonLines(write, pace);
    time.ms = 1000;
    print(() => copying);
    time.ms = 1200;
    print(() => waiting);
    const [first, second] = written.map(text => {
      assert.match(text, /^\{.*\}\n$/);
      const document = JSON.parse(text) as unknown;
      assertDocument('ProgressStatus', document, 'the line', 'BAD_INPUT');
      return document;
    });
    assert.deepEqual(first, {
      message_type: 'status',
      step: 'copying',
      item: 'ghost',
      percent_done: 0.25,
      total_bytes: 8 * 2 ** 30,
      bytes_done: 2 * 2 ** 30,
      total_files: 500,
      files_done: 120,
      bytes_per_second: 256 * 2 ** 20,
      seconds_elapsed: 8,
      seconds_remaining: 24,
    });
    assert.deepEqual(
      Object.keys(second as object).filter(name => /total_bytes|remaining/.test(name)),
      [],
    );
  });
});
