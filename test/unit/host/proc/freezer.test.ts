import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFrozen, LinuxFreezer } from '../../../../src/host/proc/freezer.js';

const of = (files: Record<string, string>) => (file: string) => files[file] ?? '';

describe('isFrozen', () => {
  it('when the cgroup v2 hierarchy says so, alone or beside version 1, the process is frozen', () => {
    for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
      const file = `${root}/a:b/cgroup.events`;
      assert.equal(isFrozen('0::/a:b\n', of({ [file]: 'populated 1\nfrozen 1\n' })), true);
      assert.equal(isFrozen('0::/a:b\n', of({ [file]: 'populated 1\nfrozen 0\n' })), false);
    }
  });

  it('when the freezer of cgroup v1 says so, the process is frozen; other controllers do not count', () => {
    const files = of({ '/sys/fs/cgroup/freezer/c/freezer.state': 'FROZEN\n' });
    assert.equal(isFrozen('4:memory:/x\n3:cpu,freezer:/c\n0::/\n', files), true);
    assert.equal(isFrozen('4:memory:/c\n0::/\n', files), false);
    assert.equal(isFrozen('3:freezer:/thawed\n', files), false);
  });

  it('when nothing can be read, the process counts as running', () => {
    assert.equal(isFrozen('0::/a\n3:freezer:/a\n', of({})), false);
    assert.equal(isFrozen(''), false);
  });
});

describe('a signal that freezes or thaws', () => {
  it('when a process has ended, or may not be thawed by us, thawing goes on; one that cannot be stopped is an error', t => {
    const fail = (code: string) =>
      t.mock.method(process, 'kill', () => {
        throw Object.assign(new Error(code), { code });
      });
    const freezer = new LinuxFreezer();
    for (const code of ['EPERM', 'ESRCH']) {
      fail(code);
      freezer.signal(1, 'SIGCONT');
    }
    freezer.signal(1, 'SIGSTOP');
    fail('EPERM');
    assert.throws(() => freezer.signal(1, 'SIGSTOP'), { code: 'EPERM' });
  });
});
