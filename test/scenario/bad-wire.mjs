/**
 * A carrier that damages what it carries: `node bad-wire.mjs PLAN COMMAND ARG …` starts COMMAND and stands
 * between it and our own stdin and stdout. PLAN is a JSON file: `faults` has one item for each connection in
 * turn, `{"way": "there"|"back", "kind", "at", "length"}`, and connections after the last are good. It counts
 * in PLAN.log what has passed.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const [plan, program, ...words] = process.argv.slice(2);
const { faults } = JSON.parse(fs.readFileSync(plan, 'utf8'));
const log = `${plan}.log`;
const turn = fs.existsSync(log)
  ? fs
      .readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line === 'begin').length
  : 0;
fs.appendFileSync(log, 'begin\n');
const fault = faults[turn];
const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
child.on('error', () => process.exit(127));

let held;
for (const [way, from, to] of [
  ['there', process.stdin, child.stdin],
  ['back', child.stdout, process.stdout],
]) {
  let passed = 0;
  to.on('error', () => {});
  from.on('data', bytes => {
    fs.appendFileSync(log, `${way} ${bytes.length}\n`);
    const at = fault?.way === way ? fault.at - passed : -1;
    passed += bytes.length;
    if (at < 0 || at >= bytes.length) return pass(from, to, bytes);
    const end = Math.min(bytes.length, at + fault.length);
    const [before, hit, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)];
    if (fault.kind === 'cut') return cut(to, before);
    // Kills the sender, which has started us. Everything that the sender had written still arrives.
    if (fault.kind === 'kill') process.kill(process.ppid, 'SIGKILL');
    if (fault.kind === 'delay') return delay(from, to, bytes, fault.length);
    if (fault.kind === 'reorder' && held === undefined) held = hit;
    pass(
      from,
      to,
      Buffer.concat([before, ...damaged(hit, after), ...(fault.kind === 'reorder' ? [held] : [])]),
    );
  });
  from.on('end', () => to.end());
}

function damaged(hit, after) {
  if (fault.kind === 'flip') {
    const flipped = Buffer.from(hit);
    flipped[0] ^= 1 << (fault.at % 8);
    return [flipped, after];
  }
  if (fault.kind === 'repeat') return [hit, hit, after];
  // HIT is dropped, or the caller sends HIT behind AFTER (`reorder`).
  return [after];
}

function pass(from, to, bytes) {
  if (bytes.length === 0 || to.write(bytes)) return;
  from.pause();
  to.once('drain', () => from.resume());
}

/** Ends the connection. In both directions, bytes that are still on the way are lost. */
function cut(to, before) {
  to.write(before, () => {
    child.kill('SIGKILL');
    process.exit(0);
  });
}

function delay(from, to, bytes, ms) {
  from.pause();
  setTimeout(() => {
    from.resume();
    pass(from, to, bytes);
  }, ms);
}
