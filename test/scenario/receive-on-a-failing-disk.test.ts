import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { connect } from '../unit/flows/receive/connection.js';
import { payloads, Stream } from '../unit/move-stream.js';
import { failingDisk } from './failing-disk.js';
import { temporaryFolder } from './ghostkeep.js';

describe('a receiver on a disk that fails after write(2) has returned', () => {
  it('a receiver acknowledges no bytes that its disk has not taken, and removes the file that they were written to', async t => {
    const disk = failingDisk(t);
    if (!disk) return;
    const images = `${disk}/images`;
    const stream = new Stream().hello('round');
    stream.ghost('1-2-3', randomBytes(12 << 20));
    stream.add('commit', payloads.commit(['1-2-3']));
    const { answers } = await connect(images, temporaryFolder(t), stream.bytes());
    assert.deepEqual(
      answers.map(({ type }) => type),
      ['welcome', 'fail'],
    );
    assert.match(String(answers[1]?.message?.['code']), /^(IO|NO_SPACE)$/);
    // The kernel reports the loss once, and shows the bytes all the same as long as they are in memory.
    assert.deepEqual(
      fs.readdirSync(`${images}/ghostkeep`).filter(name => name.startsWith('moved-')),
      [],
    );
  });
});
