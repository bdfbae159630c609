import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dumpGhosts } from '../../../../src/flows/dump/dump.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeProcess, fakeContext, fakeFile, fakeHost, opened } from '../../fake-host.js';

const images = '/img';
const ghost = opened(fakeFile(), '/data/tmp (deleted)');
const mapped = (values = {}) => ({ maps: [{ address: '7f00-8f00', opened: ghost, ...values }] });

function machine(processes: Record<number, FakeProcess>, paused: number[] = []) {
  const context = fakeContext(fakeHost());
  for (const [pid, process] of Object.entries(processes)) context.host.processes.add(Number(pid), process);
  context.host.processes.paused = new Set(paused);
  context.host.files.folders.add(images);
  const dump = (values = {}) =>
    dumpGhosts(context, { images, pids: [100], policy: resolvePolicy(), criu: false, ...values });
  const warnings = () => context.lines.filter(line => line.startsWith('warn'));
  return { ...context, dump, warnings };
}

describe('a process that runs while it is dumped', () => {
  it('and maps a ghost shared and writable is a warning', async () => {
    const { dump, warnings } = machine({ 100: mapped() });
    const { journal } = await dump();
    assert.equal(journal.ghosts.length, 1);
    assert.match(
      warnings().join(),
      /process 100 runs and can change ghost 8:1\/4711 \(\/data\/tmp\).*freeze/,
    );
  });

  it('and maps it for reading or privately, or holds a descriptor, is none: writes are seen', async () => {
    for (const values of [{ writable: false }, { shared: false }]) {
      const { dump, warnings } = machine({ 100: { fds: { 3: ghost }, ...mapped(values) } });
      await dump();
      assert.deepEqual(warnings(), []);
    }
  });

  it('is an error with --require-frozen, whatever it holds, and nothing is copied', async () => {
    for (const process of [mapped(), { fds: { 3: ghost } }, {}]) {
      const { dump, host } = machine({ 100: process });
      await assert.rejects(dump({ requireFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 100'));
      assert.deepEqual([host.processes.pinned, host.files.snapshot()], [[], {}]);
    }
  });

  it('is no matter to a dump by CRIU, which freezes it', async () => {
    const { dump, warnings } = machine({ 100: mapped() });
    await dump({ criu: true });
    assert.deepEqual(warnings(), []);
  });
});

describe('a process that stands still', () => {
  it('is dumped without a warning', async () => {
    const { dump, warnings } = machine({ 100: mapped() }, [100]);
    await dump({ requireFrozen: true });
    assert.deepEqual(warnings(), []);
  });

  it('does not when another one that is not dumped runs and maps the same ghost', async () => {
    const both = { 100: mapped(), 200: mapped() };
    const { dump, warnings } = machine(both, [100]);
    await dump();
    assert.match(warnings().join(), /process 200 runs/);
    const again = machine(both, [100]);
    await assert.rejects(again.dump({ requireFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 200'));
    assert.deepEqual(again.host.files.snapshot(), {});
  });

  it('where the other one maps another file by the same number, is stopped, or shows nothing, it may go on', async () => {
    const other = opened(fakeFile({ birthtimeNs: 5n }), '/other');
    const others: [FakeProcess, number[]][] = [
      [{ maps: [{ address: '1-2', opened: other }] }, [100]],
      [mapped(), [100, 200]],
      [{ ...mapped(), fails: { maps: 'EACCES' } }, [100]],
    ];
    for (const [process, paused] of others) {
      const { dump, warnings } = machine({ 100: mapped(), 200: process }, paused);
      await dump({ requireFrozen: true });
      assert.deepEqual(warnings(), []);
    }
  });

  it('where only the label of the other one tells, it is believed', async () => {
    const { dump } = machine(
      { 100: mapped(), 200: { ...mapped(), fails: { 'stat map_files/7f00-8f00': 'EPERM' } } },
      [100],
    );
    await assert.rejects(dump({ requireFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 200'));
  });
});
