import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Progress } from '../../../src/base/progress.js';

/** A progress whose clock the test moves. */
function progressAt(start = 0) {
  const time = { ms: start };
  let changes = 0;
  const progress = new Progress(
    () => time.ms,
    () => {
      changes += 1;
    },
  );
  return { progress, time, changes: () => changes };
}

describe('how far a command has come', () => {
  it('before the first step there is nothing to show', () => {
    assert.equal(progressAt().progress.look(), undefined);
  });

  it('a step that moves bytes is measured by its bytes, and the time left by its pace', () => {
    const { progress, time, changes } = progressAt(5000);
    progress.begin({ what: 'copying', item: 'ghost', items: 4, bytes: () => 1000n });
    time.ms += 2000;
    progress.moved(250n);
    progress.did();
    assert.deepEqual(progress.look(), {
      what: 'copying',
      item: 'ghost',
      items: 4,
      itemsDone: 1,
      bytes: 1000n,
      bytesDone: 250n,
      part: 0.25,
      ms: 2000,
      msLeft: 6000,
    });
    assert.equal(changes(), 3);
  });

  it('a step without bytes is measured by what it has done', () => {
    const { progress, time } = progressAt();
    progress.begin({ what: 'waiting for the disk', item: 'file', items: 8 });
    progress.did(2);
    assert.deepEqual([progress.look()?.part, progress.look()?.msLeft], [0.25, undefined]);
    time.ms = 1000;
    assert.equal(progress.look()?.msLeft, 3000);
  });

  it('a copy that is tried again never shows more than all', () => {
    const { progress } = progressAt();
    progress.begin({ what: 'copying', item: 'ghost', items: 1, bytes: () => 10n });
    progress.moved(15n);
    progress.did(2);
    const { part, bytesDone, itemsDone } = progress.look() ?? {};
    assert.deepEqual({ part, bytesDone, itemsDone }, { part: 1, bytesDone: 10n, itemsDone: 1 });
  });

  it('a step that is done has no time left to show', () => {
    const { progress, time } = progressAt();
    progress.begin({ what: 'sealing', item: 'file', items: 1 });
    time.ms = 4000;
    progress.did();
    assert.equal(progress.look()?.msLeft, undefined);
  });

  it('the bytes of a step are added up once, and only if somebody looks', () => {
    const { progress } = progressAt();
    let asked = 0;
    const bytes = () => BigInt(++asked * 100);
    progress.begin({ what: 'copying', item: 'ghost', items: 1, bytes });
    progress.moved(1n);
    assert.equal(asked, 0);
    progress.look();
    assert.deepEqual([progress.look()?.bytes, asked], [100n, 1]);
  });

  it('the next step begins at zero', () => {
    const { progress, time } = progressAt();
    progress.begin({ what: 'copying', item: 'ghost', items: 1, bytes: () => 10n });
    progress.moved(10n);
    time.ms = 3000;
    progress.begin({ what: 'sealing', item: 'file', items: 0 });
    const { part, bytesDone, ms, bytes } = progress.look() ?? {};
    assert.deepEqual({ part, bytesDone, ms, bytes }, { part: 0, bytesDone: 0n, ms: 0, bytes: undefined });
  });
});
