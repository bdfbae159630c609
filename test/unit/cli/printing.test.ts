import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { line } from '../../../src/cli/print/line.js';
import { showDump } from '../../../src/cli/print/show-dump.js';
import { showScan } from '../../../src/cli/print/show-scan.js';
import { table } from '../../../src/cli/print/table.js';
import { aManifest, aManifestGhost } from '../a-manifest.js';

const hostile = '/a\u001b[2J\u009b31m\u202eb\nc';
const shown = '/a\\x1b[2J\\xc2\\x9b31m\\xe2\\x80\\xaeb\\x0ac';

describe('the output for people', () => {
  it('when a cell of a table has control characters, they are escaped, and the columns stay straight', () => {
    assert.equal(
      [
        ...table(
          ['path', 'id'],
          [
            [hostile, 'a'],
            ['/', 'b'],
          ],
        ),
      ].join(''),
      `${'path'.padEnd(shown.length)}  id\n${shown}  a\n${'/'.padEnd(shown.length)}  b\n`,
    );
  });

  it('when a line quotes control characters, they are escaped; a line break becomes a space', () => {
    assert.equal(line(`cannot read ${hostile}\n  [X]`), `cannot read ${shown.replace('\\x0a', ' ')} [X]\n`);
  });

  it('when any text of a manifest is hostile, show prints no control character', () => {
    const ghost = aManifestGhost({ path: hostile });
    const text = [...showDump(aManifest({ ghosts: [ghost], tool: hostile, created: hostile }))].join('');
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    assert.equal(text.split('\n').length, 5);
  });

  it('when show lists a dump, its first line says in words what it is; --verbose adds how it was copied', () => {
    const data = {
      ...({ bytes: 5, chunks: 1, unwritten: 0, imageBytes: 9, engine: 'fiemap', fallbacks: 0 } as const),
      why: 'its map is exact',
    } as const;
    const digest = 'crc32c:00000000';
    const ghosts = [
      aManifestGhost({ data: { ...data, ways: ['reflink'], digest } }),
      aManifestGhost({ id: 2 }),
    ];
    const show = (values: Parameters<typeof aManifest>[0], verbose?: boolean) =>
      [...showDump(aManifest({ ghosts, ...values }), { verbose })].join('').split('\n');
    const sealed = 'sealed 1970-01-01T00:00:00.000Z by ghostkeep test';
    assert.deepEqual(show({ container: 'mydb' }), [
      `checkpoint of container mydb by CRIU, ${sealed}, checksums for 1 of 2`,
      'id  size  data  file              holder    path',
      ' 1   5 B   5 B  ghost-file-1.img  100/fd/3  /data/tmp',
      ' 2   5 B        ghost-file-1.img  100/fd/3  /data/tmp',
      '2 ghosts',
      '',
    ]);
    const [first, , row, , why] = show({ criu: false }, true);
    assert.equal(first, `dump without CRIU, ${sealed}, checksums for 1 of 2`);
    assert.match(row ?? '', / ghost-file-1\.img +1 +fiemap +reflink +unlinked +100/);
    assert.equal(why, '1 by fiemap: its map is exact');
    assert.match(show({ ghosts: ghosts.slice(1) })[0] ?? '', /, no checksums$/);
    assert.match(show({ ghosts: ghosts.slice(0, 1) })[0] ?? '', /, with checksums$/);
    assert.equal(show({ ghosts: [] })[0], `checkpoint by CRIU, ${sealed}`);
  });

  it('when there are more rows than a call may have arguments, scan and show print all of them', () => {
    const ghosts = Array.from({ length: 150_000 }, (_, index) => aManifestGhost({ id: index + 1 }));
    const found = ghosts.map(ghost => ({ ...ghost, keep: 'no' as const, why: 'many' }));
    for (const text of [
      [...showDump(aManifest({ ghosts }))].join(''),
      showScan({ ghosts: found, unseen: [] }),
    ])
      assert.ok(text.includes(`${ghosts.length} ghosts`));
  });
});
