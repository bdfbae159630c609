import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { notePause, resumeForgotten } from '../../../../../src/flows/container/pause/paused.js';
import { parseRuntimeCommand } from '../../../../../src/oci/command-line.js';
import { errno, fakeContext } from '../../../fake-host.js';

const folder = '/run/ghostkeep/paused';
const criuConfig = '/tmp/gk/criu.conf';
const command = parseRuntimeCommand(['runc', '--root', '/r', 'checkpoint', 'web'], '/');

/** A record of a checkpoint of container `web` that was killed, and a runtime whose calls are noted. */
function left({ status = 'paused', resume = 0, owner = 'gone' } = {}) {
  const context = fakeContext();
  const { host } = context;
  const { files, processes } = host;
  for (const made of ['/run/ghostkeep', folder]) files.folders.add(made);
  processes.add(100, {});
  const forget = notePause(context, command, 100, criuConfig);
  const [name = ''] = files.list(folder);
  if (owner === 'gone') {
    const record = files.get(`${folder}/${name}`).toString();
    files.put(`${folder}/${name}`, record.replace(`"pid": ${processes.self()}`, '"pid": 700'));
  }
  const calls: string[] = [];
  host.commands.output = async words => {
    calls.push(words.join(' '));
    const state = { ociVersion: '1.0.2', id: 'web', status, pid: 100, bundle: '/b' };
    if (words.includes('resume')) return { status: resume, stdout: '', stderr: 'resume says no' };
    return { status: 0, stdout: JSON.stringify(state), stderr: '' };
  };
  const records = () => files.list(folder).length;
  return { context, calls, records, forget, files, processes, go: () => resumeForgotten(context) };
}

const [stateCall, resumeCall] = ['runc --root /r state web', 'runc --root /r resume web'];

describe('resumeForgotten', () => {
  it('when a checkpoint was killed, the container that it had paused is resumed once, and a message says so', async () => {
    const { context, calls, records, go } = left();
    await go();
    assert.deepEqual(calls, [stateCall, resumeCall]);
    assert.equal(records(), 0);
    assert.match(context.lines.join('\n'), /^warn resumed web: .*process 700.* was killed/);
    await go();
    assert.equal(calls.length, 2);
  });

  it('when the checkpoint or a command of its runtime is still at work, the container is not resumed', async () => {
    const working = left({ owner: 'alive' });
    await working.go();
    assert.deepEqual([working.calls, working.records()], [[], 1]);
    const orphaned = left();
    orphaned.processes.add(300, { environment: { CRIU_CONFIG_FILE: criuConfig } });
    await orphaned.go();
    assert.deepEqual([orphaned.calls, orphaned.records()], [[], 1]);
    orphaned.processes.end(300);
    await orphaned.go();
    assert.deepEqual(orphaned.calls, [stateCall, resumeCall]);
  });

  it('when the container runs again, has ended or is another one, it is not resumed', async () => {
    const running = left({ status: 'running' });
    await running.go();
    assert.deepEqual([running.calls, running.records()], [[stateCall], 0]);
    const other = left();
    other.processes.add(100, { startTime: '77' });
    await other.go();
    assert.deepEqual([other.calls, other.records()], [[], 0]);
  });

  it('when the container cannot be resumed, the record stays, and the message says how to resume it', async () => {
    const { context, records, go } = left({ resume: 1 });
    await go();
    assert.equal(records(), 1);
    assert.match(
      context.lines.join('\n'),
      /^warn .*still paused: resume says no; try `runc --root \/r resume web`/,
    );
  });

  it('when others may write to the folder of records, or a record is invalid, no command is run', async () => {
    const open = left();
    const { statPath } = open.files;
    open.files.statPath = path => ({ ...statPath.call(open.files, path), mode: 0o40722 });
    await open.go();
    assert.deepEqual(open.calls, []);
    const broken = left();
    broken.files.put(`${folder}/x.json`, '{"version":1,"program":"/bin/sh"}');
    await broken.go();
    assert.deepEqual(broken.calls, [stateCall, resumeCall]);
    assert.match(broken.context.lines.join('\n'), /warn cannot resume the container of .*x\.json: /);
  });

  it('when no record can be written, a warning says so and the checkpoint goes on', () => {
    const context = fakeContext();
    context.host.processes.add(100, {});
    context.host.files.makeDirectory = () => {
      throw errno('EROFS');
    };
    notePause(context, command, 100, criuConfig)();
    assert.match(context.lines.join('\n'), /^warn cannot record that web is paused/);
  });
});
