import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isRegular, kindName } from '../../../../src/base/host/file-type.js';

describe('kindName', () => {
  it('the type of a regular file, directory, link, FIFO or device gets a name, whatever the permissions are', () => {
    const names = Object.fromEntries(
      ['010644', '020666', '040755', '060660', '100644', '104755', '120777'].map(mode => [
        mode,
        kindName(Number.parseInt(mode, 8)),
      ]),
    );
    assert.deepEqual(names, {
      '010644': 'a FIFO',
      '020666': 'a character device',
      '040755': 'a directory',
      '060660': 'a block device',
      '100644': 'a regular file',
      '104755': 'a regular file',
      '120777': 'a symbolic link',
    });
  });

  it('when a file is a socket or an anonymous inode, its type gets no name and it is not regular', () => {
    assert.equal(kindName(0o140777), undefined);
    assert.equal(kindName(0o600), undefined);
    assert.equal(isRegular(0o600), false);
    assert.equal(isRegular(0o140644), false);
    assert.equal(isRegular(0o100000), true);
  });
});
