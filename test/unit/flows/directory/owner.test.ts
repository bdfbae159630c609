import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Context } from '../../../../src/flows/context.js';
import { asOwner, becomeOwner, familyOf, holderOf } from '../../../../src/flows/directory/owner.js';
import { aManifest } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeContext } from '../../fake-host.js';

const images = '/img';

function directory() {
  const context = fakeContext();
  const { files, processes } = context.host;
  files.folders.add(images);
  return { context, files, processes };
}

/** Somebody else, who may be named, has the directory. */
function taken(pid?: number) {
  const made = directory();
  made.files.lockedFolders.set(images, 0);
  if (pid !== undefined) made.files.lockHolders.set(images, pid);
  return made;
}

describe('asOwner', () => {
  it('when the directory has no owner, it is ours while the work runs, and free after it, also if the work fails', async () => {
    const { context, files } = directory();
    assert.equal(await asOwner(context, images, () => files.lockedFolders.size), 1);
    assert.equal(files.lockedFolders.size, 0);
    const failing = asOwner(context, images, () => {
      throw errno('EIO');
    });
    await assert.rejects(failing, { code: 'EIO' });
    assert.deepEqual([files.lockedFolders.size, files.open_.size], [0, 0]);
  });

  it('when another process owns the directory, the work is not done, and the refusal names the process and its command', async () => {
    const { context, processes } = taken(700);
    processes.add(700, { commandLine: ['ghostkeep', 'dump', '--pid', '5\n\u202e'] });
    const work = () => assert.fail('it was done');
    await assert.rejects(
      asOwner(context, images, work),
      ghostkeepError('IN_USE', 'process 700 (ghostkeep dump --pid 5\\x0a\\xe2\\x80\\xae)', images),
    );
  });

  it('when the kernel does not say who owns the directory, or the process that locked it has ended, the refusal says that', async () => {
    await assert.rejects(
      becomeOwner(taken().context, images),
      ghostkeepError('IN_USE', 'the kernel does not name'),
    );
    await assert.rejects(
      becomeOwner(taken(700).context, images),
      ghostkeepError('IN_USE', 'given the lock of process 700'),
    );
  });

  it('when the other owner lets the directory go while we wait, it becomes ours', async () => {
    const { context, files } = taken(700);
    let tries = 0;
    context.alive = () => {
      tries += 1;
      if (tries === 2) files.lockedFolders.clear();
    };
    await asOwner(context, images, () => assert.equal(files.lockedFolders.size, 1), { waitMs: 60_000 });
    assert.equal(tries, 2);
  });

  it('when we wait for the directory, its owner is looked up only at the start and the end, because that reads many descriptors', async () => {
    const { context, files } = taken(700);
    let looks = 0;
    files.lockHolder = () => {
      looks += 1;
      return 700;
    };
    await assert.rejects(becomeOwner(context, images, { waitMs: 500 }), ghostkeepError('IN_USE', '700'));
    assert.equal(looks, 2);
  });

  it('when the process that started us owns the directory, its lock counts as ours; a process of another family is refused', async () => {
    const { context, processes } = taken(50);
    processes.add(40, { parent: 50 }).add(50, { parent: 1 }).add(999, { parent: 40 });
    assert.equal(await asOwner(context, images, () => 'done'), 'done');
    assert.match(context.lines.join(), /info .* locked by process 50, which started us/);
    await assert.rejects(
      asOwner(context, images, () => '', { family: [999] }),
      ghostkeepError('IN_USE'),
    );
  });

  it('when the directory does not exist, the work runs without a lock and without a warning; when it cannot be locked, there is a warning', async () => {
    const { context, files } = directory();
    assert.equal(await asOwner(context, '/none', () => 'done'), 'done');
    assert.deepEqual(context.lines, []);
    files.lock = () => {
      throw new Error('no koffi');
    };
    assert.equal(await asOwner(context, images, () => 'done'), 'done');
    assert.match(context.lines.join(), /^warn \/img cannot be locked \(no koffi\)/);
  });
});

describe('asOwner for beginning a dump over an unsealed one', () => {
  const heldBy = { pid: 700, startTime: '5' };
  const begin = (context: Context, family?: number[]) =>
    asOwner(context, images, () => 'done', { begins: true, ...(family ? { family } : {}) });

  function held(startTime: string) {
    const made = directory();
    made.files.put(
      `${images}/ghostkeep/journal.json`,
      JSON.stringify(aManifest({ state: 'pinned', heldBy, ghosts: [] })),
    );
    made.processes.add(700, { startTime, commandLine: ['ghostkeep', 'checkpoint'] });
    return made;
  }

  it('when a living process still has to finish the dump in the directory, only a process that it has started may begin another', async () => {
    const { context, files } = held('5');
    assert.equal(holderOf(context, images), 700);
    await assert.rejects(
      begin(context),
      ghostkeepError('IN_USE', '700 (ghostkeep checkpoint)', 'finish a dump'),
    );
    assert.equal(files.lockedFolders.size, 0);
    assert.equal(await begin(context, [999, 700]), 'done');
    assert.equal(await asOwner(context, images, () => 'sealed'), 'sealed');
  });

  it('when the process that must finish a dump has ended, its pid is another process, or the journal cannot be read, any process may begin a dump', async () => {
    await begin(held('6').context);
    const ended = held('5');
    ended.processes.end(700);
    await begin(ended.context);
    const damaged = held('5');
    damaged.files.put(`${images}/ghostkeep/journal.json`, 'no JSON');
    await begin(damaged.context);
    await begin(directory().context);
  });
});

describe('familyOf', () => {
  it('when processes have started each other, the family reaches up to the first; a process that has ended ends it', () => {
    const { processes } = directory();
    processes.add(10, { parent: 20 }).add(20, { parent: 30 }).add(30, { parent: 0 });
    assert.deepEqual(familyOf(processes, 10), [10, 20, 30]);
    processes.end(30);
    assert.deepEqual(familyOf(processes, 10), [10, 20, 30]);
    assert.deepEqual(familyOf(processes, 4), [4]);
  });
});
