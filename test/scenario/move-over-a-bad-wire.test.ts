/**
 * Rounds and dumps over a connection that is cut, or that changes what it carries. After each the receiver has
 * the bytes of the ghost, or the command has failed. GHOSTKEEP_SEED and GHOSTKEEP_CUTS make a campaign of it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { randomFrom, seed } from '../random.js';
import { command, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { bytesOf, me } from './rounds.js';

const proxy = fileURLToPath(new URL('bad-wire.mjs', import.meta.url));
const size = 6 << 20;
const kinds = ['cut', 'flip', 'drop', 'repeat', 'reorder', 'delay', 'kill'] as const;
const cuts = Number(process.env['GHOSTKEEP_CUTS'] ?? 14);
const mostMs = 1000 * Number(process.env['GHOSTKEEP_SECONDS'] ?? 600);

interface Fault {
  way: 'there' | 'back';
  kind: (typeof kinds)[number];
  at: number;
  length: number;
}

function setUp(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const fd = ghostFile(t, folder, 'ghost', randomBytes(size));
  const [images, plan] = [`${folder}/there`, `${folder}/plan`];
  const via = [process.execPath, proxy, plan, ...command, 'receive', '-D', images].join(' ');
  const wire = (faults: readonly Fault[]) => {
    fs.rmSync(`${plan}.log`, { force: true });
    fs.writeFileSync(plan, JSON.stringify({ faults }));
  };
  const passed = () =>
    fs
      .readFileSync(`${plan}.log`, 'utf8')
      .split('\n')
      .reduce((sum, line) => sum + Number(/^there (\d+)$/.exec(line)?.[1] ?? 0), 0);
  return { folder, fd, images, via, wire, passed };
}

const preDumpVia = (via: string) => ghostkeep(['pre-dump', '--pid', me, '--via', via], { waitMs: 120_000 });

/** The receiver's copy of the one ghost that moves. */
function arrived(images: string): Buffer {
  const [name = ''] = fs.readdirSync(`${images}/ghostkeep`).filter(one => /^moved-.*\.data$/.test(one));
  return fs.readFileSync(`${images}/ghostkeep/${name}`);
}

describe('a move over a bad connection', () => {
  it(`after each fault of a connection, a move has the same bytes on the receiver, or fails and leaves the process alone (GHOSTKEEP_SEED=${seed})`, t => {
    if (!needs(t, isRoot, 'tables of other receivers lie in /run')) return;
    const { fd, images, via, wire } = setUp(t);
    const next = randomFrom(seed);
    const ends: string[] = [];
    const until = Date.now() + mostMs;
    for (let round = 0; round < cuts && Date.now() < until; round += 1) {
      fs.writeSync(fd, randomBytes(100_000), 0, 100_000, next(size - 100_000));
      const fault = {
        way: next(4) === 0 ? ('back' as const) : ('there' as const),
        kind: kinds[next(kinds.length)] as Fault['kind'],
        at: next(next(2) === 0 ? 400 : round === 0 ? size : 300_000),
        // If the last bytes are dropped, the receiver notices it when signs of life, 16 bytes each second,
        // have made up for them. So we drop few.
        length: 1 + next(100),
      };
      wire([fault]);
      const { status, stderr } = preDumpVia(via);
      const what = `seed ${seed}, round ${round}, ${JSON.stringify(fault)}: ${stderr}`;
      ends.push(status === 0 ? 'sent' : status === null ? 'killed' : 'failed');
      if (status === 0) assert.ok(arrived(images).equals(bytesOf(fd)), what);
      else if (status === null) assert.equal(fault.kind, 'kill', what);
      // If a fault in the first bytes keeps the connection from being made, the command does not try again.
      else {
        assert.match(stderr, /^ghostkeep: .*\[MOVE_(LOST|REFUSED)\]$/m, what);
        assert.ok(fault.at < 200, what);
      }
    }
    assert.ok(ends.includes('sent'), ends.join(' '));
    wire([]);
    const { status, stderr } = preDumpVia(via);
    assert.equal(status, 0, `seed ${seed}, after all: ${stderr}`);
    assert.ok(arrived(images).equals(bytesOf(fd)), `seed ${seed}, after all`);
    console.log(
      `# ${ends.length} moves, ${ends.filter(end => end === 'killed').length} of them by a sender that was killed`,
    );
  });

  it('a move whose connection is cut once, at half, sends less than 1.1 times the content in all', t => {
    if (!needs(t, isRoot, 'tables of other receivers lie in /run')) return;
    const { fd, images, via, wire, passed } = setUp(t);
    const content = randomBytes(200 << 20);
    fs.writeSync(fd, content, 0, content.length, 0);
    wire([{ way: 'there', kind: 'cut', at: content.length / 2, length: 1 }]);
    const { status, stderr } = preDumpVia(via);
    assert.equal(status, 0, stderr);
    assert.ok(arrived(images).equals(content));
    assert.ok(passed() < 1.1 * content.length, `${passed()} bytes for ${content.length}`);
  });
});
