import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Operations, Reader } from '../../../src/move/reader.js';
import { ghostkeepError } from '../expect.js';
import { type Name, numbers, payloads, types } from '../move-stream.js';

const [key, other] = ['fd00-1a-0', 'fd00-1b-5e'];
const digest = Buffer.alloc(32, 1);
const block = Buffer.alloc(16384, 2);

type Sent = [Name | number, Uint8Array];

/** Operations as lines of text. */
function recorder(): { lines: string[]; operations: Operations } {
  const lines: string[] = [];
  const note =
    (name: string) =>
    (...values: unknown[]) =>
      void lines.push(
        [name, ...values.map(value => (Buffer.isBuffer(value) ? value.length : show(value)))]
          .filter(text => text !== undefined)
          .join(' '),
      );
  const operations = Object.fromEntries(
    ['hello', 'ghost', 'data', 'zero', 'same', 'end', 'commit', 'file', 'fileData', 'fileEnd', 'seal'].map(
      name => [name, note(name)],
    ),
  ) as unknown as Operations;
  return { lines, operations };
}

const show = (value: unknown) =>
  JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each));

async function read(...frames: Sent[]): Promise<string[]> {
  const { lines, operations } = recorder();
  const reader = new Reader(operations);
  for (const [type, payload] of frames)
    await reader.take({ type: typeof type === 'number' ? type : types[type], payload: Buffer.from(payload) });
  return lines;
}

const hello: Sent = ['hello', payloads.hello('round')];
const images: Sent = ['hello', payloads.hello('images')];
const ghost: Sent = ['ghost', payloads.ghost(0, 32768n, key)];
const data: Sent = ['data', payloads.data(0, 0n, block)];
const rest: Sent = ['data', payloads.data(0, 16384n, block)];
const end: Sent = ['end', payloads.end(0, 32768n)];
const longList = payloads.seal(
  Array.from({ length: 80 }, () => ({ key, image: 'ghost-file-1.img', header: 'A'.repeat(12_000) })),
  { more: true },
);
const file: Sent = ['file', payloads.file('core-1.img', 3)];

describe('the reader of a stream', () => {
  it('the reader hands whole operations on', async () => {
    assert.deepEqual(
      await read(
        hello,
        ghost,
        data,
        ['same', payloads.same(0, 16384n, 16384n, digest)],
        end,
        ['ghost', payloads.ghost(1, 100n, other)],
        ['zero', payloads.zero(1, 0n, 100n)],
        ['end', payloads.end(1, 100n)],
        ['commit', payloads.commit([key], true)],
        ['commit', payloads.commit([other])],
        ['alive', Buffer.alloc(0)],
      ),
      [
        'hello {"purpose":"round","build":"a test"}',
        'ghost {"handle":0,"key":"fd00-1a-0","size":"32768","isRepair":false}',
        'data "0" 16384',
        'same "16384" "16384" 32',
        'end',
        'ghost {"handle":1,"key":"fd00-1b-5e","size":"100","isRepair":false}',
        'zero "0" "100" false',
        'end',
        'commit ["fd00-1a-0","fd00-1b-5e"] false',
      ],
    );
    assert.deepEqual(
      await read(
        images,
        file,
        ['file-data', payloads.fileData(0n, Buffer.from('abc'))],
        ['file-end', digest],
        ['seal', payloads.seal([], { gone: [other], more: true })],
        ['seal', payloads.seal([{ key, image: 'ghost-file-1.img', header: 'AAAA' }])],
      ),
      [
        'hello {"purpose":"images","build":"a test"}',
        'file {"name":"core-1.img","size":"3","mode":420}',
        'fileData "0" 3',
        'fileEnd 32',
        'seal {"ghosts":[{"key":"fd00-1a-0","image":"ghost-file-1.img","header":"AAAA"}],"gone":["fd00-1b-5e"]}',
      ],
    );
  });

  it('the reader takes files after the commit of a dump, and then no more ghosts', async () => {
    const dump: Sent[] = [['hello', payloads.hello('dump')], ghost, data, rest, end];
    const commit: Sent = ['commit', payloads.commit([key])];
    const round: Sent = ['commit', Buffer.from(JSON.stringify({ keys: [key], round: true }))];
    const whole: Sent[] = [
      ['file-data', payloads.fileData(0n, block.subarray(0, 3))],
      ['file-end', digest],
    ];
    const again: Sent = ['ghost', payloads.ghost(1, 32768n, key)];
    assert.match((await read(...dump, commit, file, ...whole)).at(-1) as string, /^fileEnd/);
    const refused = ghostkeepError('MOVE_STREAM', 'with purpose dump');
    await assert.rejects(read(...dump, file), refused);
    await assert.rejects(read(...dump, round, file), refused);
    await assert.rejects(read(...dump, commit, again, file), refused);
    await assert.rejects(read(...dump, commit, file, ...whole, again), refused);
    await assert.rejects(read(...dump, commit, file, ...whole, commit), refused);
    await assert.rejects(read(hello, ghost, data, rest, end, commit, file), /with purpose round/);
  });

  it('the reader takes a key that was sent before for a repair, which may leave gaps', async () => {
    const lines = await read(
      hello,
      ghost,
      data,
      rest,
      end,
      ['ghost', payloads.ghost(1, 32768n, key)],
      ['data', payloads.data(1, 16384n, block)],
      ['end', payloads.end(1, 32768n)],
    );
    assert.match(lines[5] as string, /"isRepair":true/);
  });

  const wrong: [string, RegExp, ...Sent[]][] = [
    ['a frame before hello', /`hello` begins/, ghost],
    ['a second hello', /`hello` begins/, hello, hello],
    ['an unknown type', /no frames of type 99/, hello, [99, Buffer.alloc(8)]],
    ["a frame of the receiver's", /no frames of type 66/, hello, ['ack', Buffer.alloc(8)]],
    ['a ghost inside another', /inside another/, hello, ghost, ghost],
    [
      'a handle that does not count up',
      /handle 7 came where 0/,
      hello,
      ['ghost', payloads.ghost(7, 1n, key)],
    ],
    ['a key that is a path', /no key/, hello, ['ghost', payloads.ghost(0, 1n, '../../etc/x')]],
    ['a key with a NUL', /no key/, hello, ['ghost', payloads.ghost(0, 1n, '1-2-3\0')]],
    ['a key that is too long', /too long/, hello, ['ghost', payloads.ghost(0, 1n, '1'.repeat(60))]],
    ['a size that no file has', /no file has/, hello, ['ghost', payloads.ghost(0, 1n << 63n, key)]],
    [
      'a handle with more than 32 bits',
      /not followed by zero/,
      hello,
      ['ghost', Buffer.concat([numbers(0, 1, 5n), Buffer.from(key)])],
    ],
    ['data behind the end', /its size is 32768/, hello, ghost, ['zero', payloads.zero(0, 0n, 49152n)]],
    [
      'a length that runs over',
      /its size is 32768/,
      hello,
      ghost,
      ['zero', payloads.zero(0, 16384n, (1n << 64n) - 16384n)],
    ],
    [
      'data that does not lie on blocks',
      /on blocks/,
      hello,
      ghost,
      ['data', payloads.data(0, 0n, block.subarray(1))],
    ],
    ...(
      [
        ['without a run', /0 runs/, [], 0],
        ['of an empty run', /0 pages/, [[0, 0]], 0],
        ['behind its range', /1 pages where/, [[8, 1]], 4096],
        [
          'whose runs overlap',
          /2 pages where/,
          [
            [0, 2],
            [1, 2],
          ],
          16384,
        ],
        ['with more bytes than its runs', /4097 bytes/, [[0, 1]], 4097],
        ['with fewer bytes than its runs', /4095 bytes/, [[0, 1]], 4095],
        ['whose runs pass 32 bits', /where there are none/, [[0, 0xffffffff]], 4096],
      ] as [string, RegExp, [number, number][], number][]
    ).map(([what, why, runs, bytes]): [string, RegExp, ...Sent[]] => [
      `a patch ${what}`,
      why,
      hello,
      ghost,
      ['patch', payloads.patch(0, 0n, 32768n, digest, runs, Buffer.alloc(bytes))],
    ]),
    [
      'a patch that ends inside its runs',
      /inside its list/,
      hello,
      ghost,
      ['patch', payloads.patch(0, 0n, 32768n, digest, [[0, 1]], Buffer.alloc(0)).subarray(0, 68)],
    ],
    ['an empty range', /0 bytes/, hello, ghost, ['zero', payloads.zero(0, 0n, 0n)]],
    ['a gap', /end at 0/, hello, ghost, rest],
    ['a range twice', /end at 16384/, hello, ghost, data, data],
    ['a ghost that is not complete', /ends at 16384 of 32768/, hello, ghost, data, end],
    ['another size at the end', /of 32768 bytes/, hello, ghost, data, rest, ['end', payloads.end(0, 16384n)]],
    [
      'data for a ghost that is not open',
      /ghost 3, which is not open/,
      hello,
      ghost,
      ['zero', payloads.zero(3, 0n, 16384n)],
    ],
    ['data after the end', /not open/, hello, ghost, data, rest, end, data],
    [
      'a digest that is cut off',
      /too short/,
      hello,
      ghost,
      ['same', payloads.same(0, 0n, 16384n, digest.subarray(1))],
    ],
    [
      'more than 16 MiB compared at once',
      /at most 16777216/,
      hello,
      ['ghost', payloads.ghost(0, 1n << 40n, key)],
      ['same', payloads.same(0, 0n, (16n << 20n) + 16384n, digest)],
    ],
    ['a commit inside a ghost', /inside a ghost/, hello, ghost, ['commit', payloads.commit([])]],
    ['a commit of a ghost that was not sent', /was not sent/, hello, ['commit', payloads.commit([key])]],
    [
      'a ghost that is committed twice',
      /twice/,
      hello,
      ghost,
      data,
      rest,
      end,
      ['commit', payloads.commit([key, key])],
    ],
    [
      'a commit after that of a dump',
      /after that of the dump/,
      ['hello', payloads.hello('dump')],
      ghost,
      data,
      rest,
      end,
      ['commit', payloads.commit([key])],
      ['commit', payloads.commit([])],
    ],
    ['a list that is interrupted', /inside a list/, hello, ['commit', payloads.commit([], true)], ghost],
    [
      'a list inside another',
      /a frame commit was not expected inside a list/,
      ['hello', payloads.hello('dump')],
      ['commit', payloads.commit([])],
      ['seal', payloads.seal([], { more: true })],
      ['commit', payloads.commit([])],
    ],
    [
      'a list that fills the memory',
      /a list seal of more than \d+ bytes is too long/,
      images,
      ...Array.from({ length: 50 }, (): Sent => ['seal', longList]),
    ],
    [
      'more ghosts at a seal than may be sent',
      /more than 50000 ghosts/,
      images,
      ['seal', payloads.seal([], { gone: Array.from({ length: 50_000 }, () => '1-2-3'), more: true })],
      ['seal', payloads.seal([], { gone: ['1-2-3'] })],
    ],
    ['text that is not JSON', /not JSON/, hello, ['commit', Buffer.from('{"keys":')]],
    [
      'a message with another key',
      /there is no key evil/,
      ['hello', Buffer.from('{"purpose":"round","build":"x","evil":1}')],
    ],
    ['a message without a key', /purpose is missing/, ['hello', Buffer.from('{"build":"x"}')]],
    [
      'a key of Object.prototype',
      /there is no key __proto__/,
      ['hello', Buffer.from('{"purpose":"round","build":"x","__proto__":{}}')],
    ],
    ['a file in a round', /with purpose round/, hello, file],
    ['a ghost among files', /with purpose images/, images, ghost],
    ['a file inside another', /inside another/, images, file, file],
    [
      'a file that comes twice',
      /is sent twice/,
      images,
      ['file', payloads.file('a', 0)],
      ['file-end', digest],
      ['file', payloads.file('a', 0)],
    ],
    ['bytes of no file', /none is open/, images, ['file-data', payloads.fileData(0n, block)]],
    [
      'bytes at another offset',
      /goes on at 1/,
      images,
      file,
      ['file-data', payloads.fileData(1n, Buffer.from('a'))],
    ],
    [
      'more bytes than the file has',
      /more than 3/,
      images,
      file,
      ['file-data', payloads.fileData(0n, Buffer.from('abcd'))],
    ],
    ['a file that is cut off', /ends at 0 of 3/, images, file, ['file-end', digest]],
    ['a mode with a set-id bit', /mode is 2541/, images, ['file', payloads.file('a', 0, 0o4755)]],
    ['a seal inside a file', /inside a file/, images, file, ['seal', payloads.seal([])]],
    [
      'an image with a path',
      /must match/,
      images,
      ['seal', payloads.seal([{ key, image: '../ghost-file-1.img', header: '' }])],
    ],
    [
      'two ghosts of one image',
      /the same image/,
      images,
      [
        'seal',
        payloads.seal([
          { key, image: 'ghost-file-1.img', header: '' },
          { key: other, image: 'ghost-file-1.img', header: '' },
        ]),
      ],
    ],
    [
      'an image that came as a file',
      /was sent as a file/,
      images,
      ['file', payloads.file('ghost-file-1.img', 0)],
      ['file-end', digest],
      ['seal', payloads.seal([{ key, image: 'ghost-file-1.img', header: '' }])],
    ],
    ['anything after the seal', /after `seal`/, images, ['seal', payloads.seal([])], file],
    ['a heartbeat with a payload', /too long/, hello, ['alive', Buffer.alloc(1)]],
  ];
  for (const [what, reason, ...frames] of wrong)
    it(`the reader refuses ${what}`, async () => {
      await assert.rejects(read(...frames), ghostkeepError('MOVE_STREAM', reason));
    });

  const names = [
    '..',
    '.',
    '',
    'a/b',
    '/etc/passwd',
    '-rf',
    '.hidden',
    'ghostkeep',
    'ghostkeep-children.json',
    'GHOSTKEEP-x',
    'a\0b',
    'a\nb',
    'ä',
    'parent',
    'a'.repeat(201),
  ];
  for (const name of names)
    it(`the reader refuses ${JSON.stringify(name.slice(0, 30))} as the name of a file`, async () => {
      await assert.rejects(
        read(images, ['file', payloads.file(name, 0)]),
        ghostkeepError('MOVE_STREAM', /name/),
      );
    });

  it("the reader accepts the names of CRIU's files, and of the manifest", async () => {
    for (const name of [
      'inventory.img',
      'core-1.img',
      'pages-1.img',
      'tmpfs-dev-73.tar.gz.img',
      'stats-dump',
      'ghost-file-a.img',
      'ghostkeep-manifest.json',
    ])
      await read(images, ['file', payloads.file(name, 0)]);
  });

  it('the reader refuses a list of a million values within the bound of a frame', async () => {
    const bomb = Buffer.from(`{"keys":[${'{},'.repeat(349_000)}{}]}`);
    await assert.rejects(read(hello, ['commit', bomb]), ghostkeepError('MOVE_STREAM', /keys/));
    const deep = Buffer.from('['.repeat(500_000) + ']'.repeat(500_000));
    await assert.rejects(read(hello, ['commit', deep]), ghostkeepError('MOVE_STREAM', /commit/));
  });
});
