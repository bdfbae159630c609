// node kill.mjs [--seed N] [--times N] [--seconds N]: kills `ghostkeep dump` and `ghostkeep restore` after a
// random time, and checks what is there then. A dump that was not finished must be no image, and a finished
// one must be whole. A file with a ghost's name must be whole. The next command, which nobody kills, must do
// its work.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dist/ghostkeep.mjs', import.meta.url));
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seed = option('--seed', Math.floor(Date.now() / 1000));
const times = option('--times', 60);
const end = Date.now() + 1000 * option('--seconds', 120);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gk-kill-'));
const pick = randomFrom(BigInt(seed));
const hashes = new Set();
const fds = [];

try {
  await main();
} finally {
  for (const fd of fds) fs.closeSync(fd);
  fs.rmSync(folder, { recursive: true, force: true });
}

async function main() {
  for (let size = 1; size <= 64 << 20; size *= 8) fds.push(ghost(size));
  const good = `${folder}/good`;
  const length = { dump: timeOf(() => dump(good)) };
  length.restore = timeOf(() =>
    whole('the first restore', restore(good, `${folder}/first`), `${folder}/first`),
  );
  let finished = 0;
  let time = 0;
  for (; time < times && Date.now() < end; time += 1) {
    const isDump = time % 2 === 0;
    const at = `${folder}/${time}`;
    const wait = pick((isDump ? length.dump : length.restore) * 1.2);
    const killed = await killAfter(wait, isDump ? dumpArgs(at) : restoreArgs(good, at));
    if (!killed) finished += 1;
    const where = `seed ${seed}, time ${time}, ${isDump ? 'dump' : 'restore'} after ${wait} ms`;
    if (isDump) afterDump(where, at, killed);
    else afterRestore(where, good, at);
    fs.rmSync(at, { recursive: true, force: true });
    fs.rmSync(`${at}.again`, { recursive: true, force: true });
  }
  console.log(`ok   kill: ${time} kills from seed ${seed}, ${finished} of them came too late`);
}

/* Makes a file of this process without a name, with content from the seed. */
function ghost(size) {
  const name = `${folder}/ghost`;
  const fd = fs.openSync(name, 'wx+');
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4096) content.writeUInt8(1 + pick(255), at);
  fs.writeSync(fd, content);
  fs.unlinkSync(name);
  hashes.add(createHash('sha256').update(content).digest('hex'));
  return fd;
}

function afterDump(where, images, killed) {
  const sealed = fs.existsSync(`${images}/ghostkeep-manifest.json`);
  if (!killed && !sealed) throw new Error(`${where}: it ended, and there is no manifest`);
  const back = `${images}.again`;
  if (sealed) return whole(where, restore(images, back), back);
  const early = restore(images, back);
  if (early.status !== 1)
    throw new Error(`${where}: restore of half a dump: ${early.status} ${early.stderr}`);
  // A dump that has all its copies can be finished. Any other is refused, and the next one takes another
  // directory.
  if (run(['seal', '-D', images]).status === 0) return whole(where, restore(images, back), back);
  dump(`${back}/images`);
  whole(where, restore(`${back}/images`, `${back}/files`), `${back}/files`);
}

function afterRestore(where, images, to) {
  for (const name of fs.existsSync(to) ? fs.readdirSync(to) : [])
    if (name.startsWith('ghost-') && !hashes.has(hashOf(`${to}/${name}`)))
      throw new Error(`${where}: ${name} is there and is not whole`);
  const left = fs.existsSync(to) ? fs.readdirSync(to).filter(name => name.startsWith('ghost-')) : [];
  for (const name of left) fs.rmSync(`${to}/${name}`);
  whole(where, restore(images, to), to);
}

function whole(where, { status, stderr }, to) {
  if (status !== 0) throw new Error(`${where}: ${stderr}`);
  const found = new Set(fs.readdirSync(to).map(name => hashOf(`${to}/${name}`)));
  for (const hash of hashes) if (!found.has(hash)) throw new Error(`${where}: a ghost is missing in ${to}`);
  if (found.size !== hashes.size) throw new Error(`${where}: there is more than the ghosts in ${to}`);
}

function dump(images) {
  const { status, stderr } = run(dumpArgs(images));
  if (status !== 0) throw new Error(`dump, seed ${seed}: ${stderr}`);
}

function hashOf(file) {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

function timeOf(call) {
  const started = Date.now();
  call();
  return Date.now() - started;
}

function run(args) {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 60_000 });
}

function restore(images, to) {
  return run(restoreArgs(images, to));
}

function restoreArgs(images, to) {
  return ['restore', '-D', images, '--to', to];
}

function dumpArgs(images) {
  return ['dump', '--pid', String(process.pid), '-D', images];
}

/** @returns whether it was killed before it ended */
function killAfter(waitMs, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
    child.on('error', reject);
    child.on('exit', (_, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

function randomFrom(start) {
  let state = BigInt.asUintN(64, start * 0x9e3779b97f4a7c15n);
  return below => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number((state >> 33n) % BigInt(Math.max(1, Math.floor(below))));
  };
}
