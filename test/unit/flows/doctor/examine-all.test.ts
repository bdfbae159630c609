import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Doctor } from '../../../../src/base/documents/generated/doctor.js';
import type { Commands } from '../../../../src/base/host/host.js';
import { examineAll } from '../../../../src/flows/doctor/examine-all.js';
import { examinations } from '../../../../src/flows/doctor/table.js';
import type { TestbedContext } from '../../../../src/flows/try-hooks/testbed-context.js';
import { fakeContext } from '../../fake-host.js';

type Answer = Awaited<ReturnType<Commands['output']>>;

/** @param answer what the process of an examination prints; `late` where it does not end in time */
function examine(answer: (name: string) => Partial<Answer> | 'late'): Promise<Doctor> {
  const context = fakeContext();
  let [now, ended] = [0, false];
  context.host.clock = () => (ended ? now : 0);
  context.host.commands.output = async (argv, waitMs) => {
    const given = answer(argv.at(-1) ?? '');
    if (given === 'late') [now, ended] = [waitMs, true];
    return { status: 0, stdout: '', stderr: '', ...(given === 'late' ? { status: 1 } : given) };
  };
  return examineAll(context as unknown as TestbedContext, ['ghostkeep', 'doctor', '--examination']);
}

const fine = (name: string) => ({
  stdout: JSON.stringify({ ok: true, findings: [{ name, status: 'ok', says: 'fine' }], bases: [] }),
});

describe('the examinations of doctor', () => {
  it('the examinations of doctor come in the order of their table, and all is in order if each says so', async () => {
    const { ok, findings } = await examine(fine);
    assert.equal(ok, true);
    assert.deepEqual(
      findings.map(({ name }) => name),
      Object.keys(examinations),
    );
  });

  it('when one examination of doctor never answers, its line is broken, and the others have their lines', async () => {
    const { ok, findings } = await examine(name => (name === 'images' ? 'late' : fine(name)));
    assert.equal(ok, false);
    const [images, ...more] = findings.filter(({ status }) => status !== 'ok');
    assert.deepEqual([images?.name, images?.status, more], ['images', 'broken', []]);
    assert.match(images?.says ?? '', /^no answer after 40 s/);
  });

  it('when an examination of doctor fails or answers something else, its line is broken and says why', async () => {
    const { findings } = await examine(name => {
      if (name === 'criu') return { status: 1, stderr: 'ghostkeep: cannot read: it is too large\n' };
      return name === 'hooks' ? { stdout: '{"findings": 7}' } : fine(name);
    });
    const broken = findings.filter(({ status }) => status === 'broken');
    assert.deepEqual(
      broken.map(({ name }) => name),
      ['criu', 'hooks'],
    );
    assert.match(broken[0]?.says ?? '', /it is too large/);
  });
});
