import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { installCommand, reinstallCommand } from '../../../../../src/flows/doctor/look/way-out.js';
import { hostWith } from '../a-host.js';

const home = '/usr/local/lib/ghostkeep';

describe('the command that doctor names', () => {
  it('the command of doctor installs ghostkeep again from the tree that it came from, and quotes its path', () => {
    const files = { [`${home}/installed`]: '', [`${home}/installed-from`]: '/src/my tree\n' };
    assert.equal(reinstallCommand(hostWith(files).context), 'bash install.sh');
    const there = { ...files, '/src/my tree/install.sh': '' };
    assert.equal(reinstallCommand(hostWith(there).context), "bash '/src/my tree/install.sh'");
  });

  it("the command of doctor uses the host's own package manager", () => {
    const by = (program: string) => installCommand(hostWith({}, { [program]: '' }).context, 'criu');
    assert.deepEqual(['/usr/bin/apt-get', '/usr/bin/dnf', '/usr/bin/zypper'].map(by), [
      'apt-get install criu',
      'dnf install criu',
      'zypper install criu',
    ]);
  });
});
