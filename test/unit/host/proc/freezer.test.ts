import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFrozen } from '../../../../src/host/proc/freezer.js';

const of = (files: Record<string, string>) => (file: string) => files[file] ?? '';

describe('isFrozen', () => {
  it('when the one hierarchy says so, alone or beside the old ones, it is', () => {
    for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
      const file = `${root}/a:b/cgroup.events`;
      assert.equal(isFrozen('0::/a:b\n', of({ [file]: 'populated 1\nfrozen 1\n' })), true);
      assert.equal(isFrozen('0::/a:b\n', of({ [file]: 'populated 1\nfrozen 0\n' })), false);
    }
  });

  it('when the freezer of version 1 says so, it is; another controller has no say', () => {
    const files = of({ '/sys/fs/cgroup/freezer/c/freezer.state': 'FROZEN\n' });
    assert.equal(isFrozen('4:memory:/x\n3:cpu,freezer:/c\n0::/\n', files), true);
    assert.equal(isFrozen('4:memory:/c\n0::/\n', files), false);
    assert.equal(isFrozen('3:freezer:/thawed\n', files), false);
  });

  it('when nothing can be read, it is taken to run', () => {
    assert.equal(isFrozen('0::/a\n3:freezer:/a\n', of({})), false);
    assert.equal(isFrozen(''), false);
  });
});
