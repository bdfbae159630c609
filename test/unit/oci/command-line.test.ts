import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRuntimeCommand } from '../../../src/oci/command-line.js';
import { ghostkeepError } from '../expect.js';

const parse = (text: string) => parseRuntimeCommand(text.split(' '), '/home/me');

describe('parseRuntimeCommand', () => {
  it('when options come before and after the verb, each is assigned to its part', () => {
    assert.deepEqual(
      parse(
        '/usr/sbin/runc --root /run/r --debug --log-format=json checkpoint --image-path /img --tcp-established web',
      ),
      {
        runtime: 'runc',
        cwd: '/home/me',
        program: '/usr/sbin/runc',
        globals: ['--root', '/run/r', '--debug', '--log-format=json'],
        verb: 'checkpoint',
        container: 'web',
        images: '/img',
        leaveRunning: false,
        preDump: false,
      },
    );
  });

  it('when a value looks like a verb or an id, it is read as a value', () => {
    const command = parse(
      'crun --cgroup-manager checkpoint --log file:x checkpoint --work-path web --parent-path ../p web2',
    );
    assert.equal(command.verb, 'checkpoint');
    assert.equal(command.container, 'web2');
    assert.deepEqual(command.globals, ['--cgroup-manager', 'checkpoint', '--log', 'file:x']);
    const logged = parse('crun --log-level debug checkpoint web');
    assert.deepEqual([logged.globals, logged.verb], [['--log-level', 'debug'], 'checkpoint']);
  });

  it('when the image path is relative or not given, the result is an absolute path', () => {
    assert.equal(parse('runc checkpoint --image-path=a/../b web').images, '/home/me/b');
    assert.equal(parse('runc checkpoint --image-path ./x web').images, '/home/me/x');
    assert.equal(parse('runc checkpoint web').images, '/home/me/checkpoint');
    assert.equal(parse('runc checkpoint web --image-path late').images, '/home/me/late');
  });

  it('when the option to leave the container running is given in any spelling, it is recognized', () => {
    for (const option of [
      '--leave-running',
      '-R',
      '--leave-running=true',
      '--leave-running=1',
      '-leave-running',
      '-RP',
    ])
      assert.equal(parse(`crun checkpoint ${option} web`).leaveRunning, true, option);
    assert.equal(parse('runc checkpoint --leave-running=false web').leaveRunning, false);
    assert.equal(parse('runc checkpoint --tcp-established web').leaveRunning, false);
  });

  it('when the option for a pre-dump is given, it is recognized', () => {
    assert.equal(parse('runc checkpoint --pre-dump web').preDump, true);
    assert.equal(parse('crun checkpoint -P web').preDump, true);
    assert.equal(parse('runc checkpoint web').preDump, false);
  });

  it('when options are written with one dash, as Go allows, their values are not read as ids', () => {
    const command = parse('runc -root /r checkpoint -image-path /img web');
    assert.equal(command.images, '/img');
    assert.equal(command.container, 'web');
    assert.deepEqual(command.globals, ['-root', '/r']);
  });

  it('when there is no id, or there are two, the error says what was expected', () => {
    for (const text of [
      'runc checkpoint',
      '/runc/ x',
      'runc checkpoint --image-path web',
      'crun checkpoint a b',
    ])
      assert.throws(() => parse(text), ghostkeepError('USAGE', text, 'one container id', 'expected:'));
    assert.throws(() => parse('runc --root /x'), ghostkeepError('USAGE', 'no verb'));
  });

  it('when the program is not a runtime, its command line is not guessed at', () => {
    for (const text of ['podman container checkpoint web', 'runc.old checkpoint web', 'sh -c runc', ''])
      assert.throws(() => parse(text), ghostkeepError('RUNTIME_UNKNOWN'), text);
    assert.throws(() => parseRuntimeCommand([], '/'), ghostkeepError('RUNTIME_UNKNOWN', 'nothing'));
  });

  it('when there are more options than a call may have arguments, all are read', () => {
    const options = Array.from({ length: 200_000 }, () => '--tcp-established');
    const argv = ['runc', 'checkpoint', ...options, '--leave-running', 'id'];
    assert.equal(parseRuntimeCommand(argv, '/').leaveRunning, true);
  });
});
