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

describe('a dump without CRIU of a running process', () => {
  it('when a running process maps a ghost shared and writable, a dump without CRIU warns', async () => {
    const { dump, warnings } = machine({ 100: mapped() });
    const { journal } = await dump();
    assert.equal(journal.ghosts.length, 1);
    assert.match(
      warnings().join(),
      /process 100 runs and can change ghost 8:1\/4711 \(\/data\/tmp\).*freeze/,
    );
  });

  it('when a running process maps a ghost for reading or privately, or only holds a descriptor, a dump does not warn: then writes are seen', async () => {
    for (const values of [{ writable: false }, { shared: false }]) {
      const { dump, warnings } = machine({ 100: { fds: { 3: ghost }, ...mapped(values) } });
      await dump();
      assert.deepEqual(warnings(), []);
    }
  });

  it('when a process runs, a dump with --require-frozen fails, whatever the process holds, and nothing is copied', async () => {
    for (const process of [mapped(), { fds: { 3: ghost } }, {}]) {
      const { dump, host } = machine({ 100: process });
      await assert.rejects(
        dump({ requireFrozen: true }),
        ghostkeepError('NOT_FROZEN', 'process 100', '`ghostkeep dump --freeze`'),
      );
      assert.deepEqual([host.processes.pinned, host.files.snapshot()], [[], {}]);
    }
  });

  it('when a process writes to a ghost again and again, the error names the command that freezes it', async () => {
    const { dump, host } = machine({ 100: { fds: { 3: ghost } } });
    host.engine.onDump = (count, file) => {
      file.stat = { ...file.stat, ctimeNs: BigInt(count) };
    };
    await assert.rejects(dump(), ghostkeepError('GHOST_CHANGED', '/data/tmp', '`ghostkeep dump --freeze`'));
  });

  it('when CRIU makes the dump, there is no warning about running processes, because CRIU freezes them', async () => {
    const { dump, warnings } = machine({ 100: mapped() });
    await dump({ criu: true });
    assert.deepEqual(warnings(), []);
  });
});

describe('a dump without CRIU of a stopped process', () => {
  it('when all processes are stopped, a dump gives no warning', async () => {
    const { dump, warnings } = machine({ 100: mapped() }, [100]);
    await dump({ requireFrozen: true });
    assert.deepEqual(warnings(), []);
  });

  it('when another process, which is not dumped, runs and maps the same ghost, the dump of a stopped process warns', async () => {
    const both = { 100: mapped(), 200: mapped() };
    const { dump, warnings } = machine(both, [100]);
    await dump();
    assert.match(warnings().join(), /process 200 runs/);
    const again = machine(both, [100]);
    await assert.rejects(again.dump({ requireFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 200'));
    assert.deepEqual(again.host.files.snapshot(), {});
  });

  it('when another process maps a different file of the same number, is stopped, or shows no mappings, the dump does not warn', async () => {
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

  it("when only the label of another process's mapping says that it maps the ghost, a dump with --require-frozen fails", async () => {
    const { dump } = machine(
      { 100: mapped(), 200: { ...mapped(), fails: { 'stat map_files/7f00-8f00': 'EPERM' } } },
      [100],
    );
    await assert.rejects(dump({ requireFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 200'));
  });

  it('when somebody lets a process go on while it is copied, a dump that must stay frozen fails and leaves nothing', async () => {
    const { dump, host } = machine({ 100: mapped() }, [100]);
    host.engine.onDump = () => host.processes.paused.clear();
    await assert.rejects(dump({ staysFrozen: true }), ghostkeepError('NOT_FROZEN', 'process 100'));
    assert.deepEqual(host.files.snapshot(), {});
    host.processes.paused.add(100);
    await dump();
  });
});
