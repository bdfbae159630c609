import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fit } from '../../../../src/cli/print/fit.js';
import { table } from '../../../../src/cli/print/table.js';

const columns = [
  { name: 'size' },
  { name: 'command', least: 8 },
  { name: 'class', drop: 'first' },
  { name: 'keeper', drop: 'last' },
  { name: 'path' },
] as const;
const row = ['1 KiB', 'a-long-command', 'unlinked', 'ghostkeep', '/a/very/long/path/to/the-end'];
const at = (width: number) => {
  const { head, rows } = fit(columns, [row], width);
  return [...table(head, rows)].map(line => line.trimEnd());
};

describe('fit', () => {
  it('when there is room, everything stays', () => {
    assert.deepEqual(at(200)[1]?.split(/ {2,}/), row);
  });

  it('when there is less, the path is cut first, at its beginning, then columns go, then cells are cut', () => {
    assert.equal(at(65)[1], '1 KiB  a-long-command  unlinked  ghostkeep  …long/path/to/the-end');
    assert.equal(at(50)[1], '1 KiB  a-long-command  ghostkeep  …path/to/the-end');
    assert.equal(at(42)[1], '1 KiB  a-long-co…  ghostkeep  …/to/the-end');
    assert.equal(at(30)[1], '1 KiB  a-long-…  …h/to/the-end');
  });

  it('when a table is fitted to a width, no line is wider, down to what always stays', () => {
    for (let width = 30; width < 90; width += 1)
      for (const line of at(width)) assert.ok(line.length <= width, `${width}: ${line}`);
  });
});
