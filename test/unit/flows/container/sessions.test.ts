import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeSession,
  findSession,
  readSession,
  type Session,
  writeSession,
} from '../../../../src/flows/container/sessions.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext } from '../../fake-host.js';

const folder = '/run/ghostkeep/sessions';
const session = (values: Partial<Session> = {}): Session => ({
  version: 1,
  container: 'web',
  bundle: '/run/web',
  created: '1970-01-01T00:00:00.000Z',
  policy: { engine: 'seek' },
  pid: 100,
  startTime: '10000',
  ...values,
});

describe('sessions', () => {
  it('when a session record is written, its container reads and closes it, and may close it twice', () => {
    const context = fakeContext();
    writeSession(context, session());
    writeSession(context, session({ images: '/img' }));
    assert.deepEqual(readSession(context, 'web'), session({ images: '/img' }));
    closeSession(context, 'web');
    closeSession(context, 'web');
    assert.equal(readSession(context, 'web'), undefined);
  });

  it('when a record is looked for by pid, its start time must match too, because pids are used again', () => {
    const context = fakeContext();
    context.host.processes.add(100, {}).add(101, {});
    writeSession(context, session());
    assert.equal(findSession(context, 100)?.container, 'web');
    assert.equal(findSession(context, 101), undefined);
    context.host.processes.add(100, { startTime: '5' });
    assert.equal(findSession(context, 100), undefined);
    context.host.processes.end(100);
    assert.equal(findSession(context, 100), undefined, 'gone');
  });

  it('when one record is broken, the others are still found, and a warning names it', () => {
    const context = fakeContext();
    context.host.processes.add(100, {});
    context.host.files.put(`${folder}/a.json`, '{"version":2}');
    context.host.files.put(`${folder}/b.json`, '');
    writeSession(context, session());
    assert.equal(findSession(context, 100)?.container, 'web');
    assert.deepEqual(
      context.lines.map(line => line.split(':')[0]),
      [
        'warn cannot read session a.json, passing it over',
        'warn cannot read session b.json, passing it over',
      ],
    );
    assert.throws(() => readSession(context, 'a'), ghostkeepError('BAD_INPUT', `${folder}/a.json`));
  });

  it('when no session was ever recorded, none is found', () => {
    const context = fakeContext();
    context.host.processes.add(100, {});
    assert.equal(findSession(context, 100), undefined);
  });

  const mine = { uid: 1000, mode: 0o40700 };
  const roots = { uid: 0, mode: 0o40755 };
  const strangers: [string, Record<string, { uid: number; mode: number }>][] = [
    ["the folder is somebody else's", { '/tmp/ghostkeep-1000': { uid: 1001, mode: 0o40755 } }],
    ["the folder is root's, as a restored backup has it", { '/tmp/ghostkeep-1000/sessions': roots }],
    ['others may write to the folder', { '/tmp/ghostkeep-1000/sessions': { uid: 1000, mode: 0o40770 } }],
    ['the folder above is a link', { '/tmp/ghostkeep-1000': { uid: 1001, mode: 0o120777 } }],
    ['others may rename the folder', { '/tmp': { uid: 0, mode: 0o40777 } }],
  ];
  for (const [what, stats] of strangers)
    it(`when ${what}, the records there are neither read, nor written, nor removed`, () => {
      const context = userContext(stats);
      const text = JSON.stringify(session({ images: '/victim' }));
      context.host.files.put('/tmp/ghostkeep-1000/sessions/web.json', text);
      assert.equal(readSession(context, 'web'), undefined);
      assert.equal(findSession(context, 100), undefined);
      assert.match(
        context.lines.join(),
        /^warn cannot use session records in \/tmp.*belongs to somebody else/,
      );
      closeSession(context, 'web');
      assert.throws(
        () => writeSession(context, session()),
        ghostkeepError('PERMISSION', 'cannot use session records'),
      );
      assert.equal(context.host.files.get('/tmp/ghostkeep-1000/sessions/web.json').toString(), text);
    });

  it('when the folder in /tmp is our own, the records in it are used', () => {
    const context = userContext({});
    writeSession(context, session());
    assert.equal(findSession(context, 100)?.container, 'web');
    closeSession(context, 'web');
    assert.equal(readSession(context, 'web'), undefined);
    assert.deepEqual(context.lines, []);
  });

  function userContext(stats: Record<string, { uid: number; mode: number }>) {
    const context = fakeContext();
    context.host.uid = () => 1000;
    context.host.processes.add(100, {});
    const { files } = context.host;
    files.makeDirectory('/tmp/ghostkeep-1000/sessions');
    const stat = files.statPath.bind(files);
    const all = { '/tmp': { uid: 0, mode: 0o41777 }, ...stats };
    files.statPath = path => ({ ...stat(path), ...mine, ...all[path as keyof typeof all] });
    return context;
  }
});
