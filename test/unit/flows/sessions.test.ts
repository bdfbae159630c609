import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeSession,
  findSession,
  readSession,
  type Session,
  writeSession,
} from '../../../src/flows/sessions.js';
import { ghostkeepError } from '../expect.js';
import { fakeContext } from '../fake-host.js';

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
  it('when a session is written, it is read and closed by its container, twice too', () => {
    const context = fakeContext();
    writeSession(context, session());
    writeSession(context, session({ images: '/img' }));
    assert.deepEqual(readSession(context, 'web'), session({ images: '/img' }));
    closeSession(context, 'web');
    closeSession(context, 'web');
    assert.equal(readSession(context, 'web'), undefined);
  });

  it('when a pid is asked for, its start time must be the same: pids are used again', () => {
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

  it('when one record is broken, the others are still found, with a warning', () => {
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

  it('when nothing was ever recorded, there is no session', () => {
    const context = fakeContext();
    context.host.processes.add(100, {});
    assert.equal(findSession(context, 100), undefined);
  });

  it("when the folder is somebody else's, nothing is written into it", () => {
    for (const uid of [1000, 1001]) {
      const context = fakeContext();
      context.host.uid = () => uid;
      const stat = context.host.files.statPath;
      context.host.files.statPath = path => ({ ...stat.call(context.host.files, path), uid: 1000 });
      if (uid === 1000) writeSession(context, session());
      else
        assert.throws(
          () => writeSession(context, session()),
          ghostkeepError('PERMISSION', 'belongs to somebody else'),
        );
    }
  });
});
