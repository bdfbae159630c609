/** `forget` in a history whose parents gave bytes up, by the built program. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { ghostkeep } from './ghostkeep.js';
import { assertHolds } from './history-of-ghosts.js';
import { run } from './loop-device.js';
import { history, memory, type Night } from './nights.js';

function done(...args: string[]): string {
  const { status, stdout, stderr } = ghostkeep(args);
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

const refused = (...args: string[]) => {
  const { status, stderr } = ghostkeep(args);
  assert.equal(status, 1, args.join(' '));
  return stderr;
};

const verify = (images: string) => ghostkeep(['verify', '-D', images, '--chain']).stdout;

describe('forget where bytes were given up', () => {
  it('forget removes the middle checkpoint; its child has all its bytes and still counts as the one that replaced them', async t => {
    const [first, middle, last] = (await history(t, 3)) as [Night, Night, Night];
    done('dedup', '-D', last.images, '--discard-older');
    done('forget', '-D', middle.images);
    assert.equal(fs.existsSync(middle.images), false);
    done('verify', '-D', last.images, '--chain');
    await assertHolds(t, last.images, last.contents, memory);
    assert.match(verify(first.images), /gave up .* to .*night-2[,;]/);
    assert.match(refused('restore', '-D', first.images, '--to', `${first.images}/to`), /night-2.*GIVEN_UP/);
    done('dedup', '-D', last.images);
    done('forget', '-D', first.images);
    done('verify', '-D', last.images);
    await assertHolds(t, last.images, last.contents, memory);
  });

  it('where a parent gave bytes up to the checkpoint that goes, the parent then names the child of that checkpoint', async t => {
    const [first, middle, last] = (await history(t, 3)) as [Night, Night, Night];
    done('dedup', '-D', middle.images, '--discard-older');
    done('forget', '-D', middle.images);
    done('verify', '-D', last.images, '--chain');
    await assertHolds(t, last.images, last.contents, memory);
    const said = verify(first.images);
    assert.match(said, /gave up .* to .*night-2[,;]/);
    assert.doesNotMatch(said, /night-1/);
    done('materialize', '-D', last.images);
    await assertHolds(t, last.images, last.contents, memory);
  });

  it('when the child was given bytes of the checkpoint, forget refuses before a byte is written, and works from the newest', async t => {
    const [first, middle, last] = (await history(t, 3)) as [Night, Night, Night];
    done('dedup', '-D', last.images, '--discard-older');
    const state = () => run('sh', '-c', `cd ${first.images}/.. && find . -type f | sort | xargs sha256sum`);
    const before = state();
    const said = refused('forget', '-D', first.images);
    assert.match(said, /forget .*night-1 first.*gave up bytes to .*night-2.*GIVEN_UP/s);
    assert.equal(state(), before);
    done('forget', '-D', middle.images);
    done('forget', '-D', first.images);
    await assertHolds(t, last.images, last.contents, memory);
  });
});
