// node scripts/campaign.mjs [NAME …] [--seed N]: runs the long attacks, all or those named, one after the
// other. Each ends by itself, after a number of executions or a time. Their figures go to
// bench/results/campaign.json; an attack that was not run keeps its old ones. The tests run the same attacks
// with smaller numbers.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const results = path.join(top, 'bench/results/campaign.json');
const build = path.join(top, 'build');
const gateBuild = path.join(build, 'gate-test-sanitized');

/**
 * Fields of an attack. make: the parts to build first. run: a command that prints how much it did. counts: a
 * pattern that finds this number in its output.
 */
const attacks = {
  gate: {
    what: 'the gate’s dialogue and keys with a hostile helper, under ASan and UBSan',
    make: ['-C', 'test/native/gate', 'fuzz', `BUILD=${gateBuild}`, 'SANITIZE=1'],
    run: seed => [`${gateBuild}/fuzz`, '--seed', seed, '--executions', '1000000'],
    counts: /: (\d+) executions/,
    atMostSeconds: 600,
  },
  images: {
    what: 'the engine’s parsers with mutated ghost images, under ASan and UBSan',
    make: ['-C', 'native/engine', 'cases', `BUILD=${build}`, 'SANITIZE=1'],
    run: seed => [`${build}/engine-cases`, '--dir', '/dev/shm', '--hostile', '50000', '--seed', seed],
    counts: /# (\d+) images/,
    atMostSeconds: 600,
  },
  files: {
    what: 'random files by every engine, on the disk of this tree, under ASan and UBSan',
    make: ['-C', 'native/engine', 'cases', `BUILD=${build}`, 'SANITIZE=1'],
    run: seed => [
      `${build}/engine-cases`,
      ...['--dir', build, '--cases', '20000', '--seconds', '60', '--seed', seed],
    ],
    counts: /# (\d+) files/,
    atMostSeconds: 300,
  },
  histories: {
    what: 'random histories: dump, pack, dedup, materialize and forget; then SIGKILL of commands that give bytes up, and power cuts, every checkpoint compared',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`],
      ...['GHOSTKEEP_STEPS=1000', 'GHOSTKEEP_KILLS=1000', 'GHOSTKEEP_CUTS=100'],
      ...[process.execPath, '--import', 'tsx', '--test', '--test-concurrency=1'],
      ...['test/scenario/histories.test.ts', 'test/scenario/killed-dedup.test.ts'],
    ],
    counts: /# (\d+) points/,
    atMostSeconds: 5400,
  },
  records: {
    what: 'records of what was given up that were changed at random',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`, 'GHOSTKEEP_RECORDS=1000'],
      ...[process.execPath, '--import', 'tsx', '--test', 'test/scenario/hostile-records.test.ts'],
    ],
    counts: /# (\d+) records/,
    atMostSeconds: 1800,
  },
  moves: {
    what: 'rounds to another host over a connection that is cut, or that changes bytes, or whose sender is killed',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`, 'GHOSTKEEP_CUTS=1000', 'GHOSTKEEP_SECONDS=5000'],
      ...[process.execPath, '--import', 'tsx', '--test', 'test/scenario/move-over-a-bad-wire.test.ts'],
    ],
    counts: /# (\d+) moves/,
    atMostSeconds: 5400,
  },
  strangers: {
    what: 'packed directories whose manifests were changed at random',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`, 'GHOSTKEEP_MANIFESTS=5000'],
      ...[process.execPath, '--import', 'tsx', '--test', 'test/scenario/hostile-history.test.ts'],
    ],
    counts: /# (\d+) manifests/,
    atMostSeconds: 900,
  },
  manifests: {
    what: 'manifests and lists of children that were changed at random, before the commands of a history, on files in memory',
    run: seed =>
      inTest(
        'test/unit/flows/history/hostile-manifests.test.ts',
        seed,
        'GHOSTKEEP_DOCUMENTS=1000000',
        'GHOSTKEEP_SECONDS=1800',
      ),
    counts: /# (\d+) documents/,
    atMostSeconds: 5400,
  },
  forget: {
    what: 'SIGKILL of forget at any moment, every other checkpoint compared',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`, 'GHOSTKEEP_KILLS=1000'],
      ...[process.execPath, '--import', 'tsx', '--test', 'test/scenario/killed-forget.test.ts'],
    ],
    counts: /# (\d+) kills/,
    atMostSeconds: 1800,
  },
  power: {
    what: 'power cuts while dump, pack, materialize, forget and share run, on xfs and ext4',
    run: seed => [
      ...['env', `GHOSTKEEP_SEED=${seed}`, 'GHOSTKEEP_CUTS=1000'],
      ...[process.execPath, '--import', 'tsx', '--test', 'test/scenario/power-cut.test.ts'],
    ],
    counts: /# (\d+) cuts in all/,
    atMostSeconds: 5400,
  },
  layers: {
    what: 'layers of random ghosts, then mutated maps and data, under ASan and UBSan',
    make: ['-C', 'native/engine', 'cases', `BUILD=${build}`, 'SANITIZE=1'],
    run: seed => [`${build}/engine-cases`, '--dir', '/dev/shm', '--layers', '3000', '--seed', seed],
    counts: /# (\d+) histories/,
    atMostSeconds: 900,
  },
  maps: {
    what: 'maps, data and records of layers that were changed at random, in front of every function that reads them, under ASan and UBSan',
    make: ['-C', 'native/engine', 'cases', `BUILD=${build}`, 'SANITIZE=1'],
    run: seed => [`${build}/engine-cases`, '--dir', '/dev/shm', '--maps', '1000000', '--seed', seed],
    counts: /# (\d+) maps/,
    atMostSeconds: 5400,
  },
  depth: {
    what: 'memory below 300 MiB with 1,000,000 extents and 32 parents: pack, verify, dedup, forget',
    run: seed => inTest('test/scenario/deep-history.test.ts', seed, 'GHOSTKEEP_UNITS=1000000'),
    counts: /# (\d+) extents/,
    atMostSeconds: 3600,
  },
  'move-streams': {
    what: 'the reader of streams that move ghosts, with frames of a hostile sender',
    run: seed => inTest('test/unit/move/hostile.test.ts', seed, 'GHOSTKEEP_STREAMS=1000000'),
    counts: /# (\d+) streams/,
    atMostSeconds: 1800,
  },
  'move-receiver': {
    what: 'a receiver with real files and a hostile sender',
    run: seed => inTest('test/unit/flows/receive/hostile.test.ts', seed, 'GHOSTKEEP_CONNECTIONS=10000'),
    counts: /# (\d+) connections/,
    atMostSeconds: 1800,
  },
  'move-cuts': {
    what: 'random rounds to a receiver whose connections are cut anywhere',
    run: seed => inTest('test/unit/flows/receive/cuts.test.ts', seed, 'GHOSTKEEP_ROUNDS=1000'),
    counts: /# (\d+) rounds/,
    atMostSeconds: 1800,
  },
  'move-kill': {
    what: 'SIGKILL of a receiver at any moment, then rounds, dump and seal to the end',
    run: seed =>
      inTest('test/scenario/receive-killed.test.ts', seed, 'GHOSTKEEP_KILLS=1000', 'GHOSTKEEP_SECONDS=5000'),
    counts: /# (\d+) kills/,
    atMostSeconds: 5400,
  },
  kill: {
    what: 'SIGKILL of dump and restore at any moment',
    run: seed => [
      process.execPath,
      'scripts/campaign/kill.mjs',
      '--seed',
      seed,
      '--times',
      '300',
      '--seconds',
      '180',
    ],
    counts: /: (\d+) kills/,
    atMostSeconds: 600,
  },
};

process.exitCode = await main(process.argv.slice(2));

/* The command of a test that a number in its environment makes longer. */
function inTest(file, seed, ...numbers) {
  return ['env', `GHOSTKEEP_SEED=${seed}`, ...numbers, process.execPath, '--import', 'tsx', '--test', file];
}

async function main(args) {
  const at = args.indexOf('--seed');
  const seed = at < 0 ? String(Math.floor(Date.now() / 1000)) : args[at + 1];
  const named = at < 0 ? args : args.toSpliced(at, 2);
  const unknown = named.filter(name => !(name in attacks));
  if (unknown.length > 0 || !/^\d+$/.test(seed ?? '')) {
    console.error(`usage: campaign [--seed N] [${Object.keys(attacks).join(' | ')}] …`);
    return 2;
  }
  let failures = 0;
  for (const name of named.length > 0 ? named : Object.keys(attacks)) {
    console.log(`${name}: seed ${seed}`);
    const row = await attack(attacks[name], seed);
    failures += row.failures;
    keep(name, row);
    console.log(`${name}: ${row.executions} executions, ${row.seconds} s, ${row.failures} failures`);
  }
  return failures > 0 ? 1 : 0;
}

async function attack({ what, make, run, counts, atMostSeconds }, seed) {
  if (make) execFileSync('make', ['-s', ...make], { cwd: top, stdio: ['ignore', 'inherit', 'inherit'] });
  const at = commit();
  const started = Date.now();
  const { status, said } = await command(run(seed), atMostSeconds);
  const executions = Number(counts.exec(said)?.[1] ?? 0);
  return {
    what,
    seed: Number(seed),
    executions,
    seconds: Math.round((Date.now() - started) / 1000),
    failures: status === 0 && executions > 0 ? 0 : 1,
    commit: at,
    kernel: os.release(),
  };
}

/* Returns the status of the command. A command that takes too long is killed, which is no success. */
function command([file, ...args], atMostSeconds) {
  return new Promise((resolve, reject) => {
    let said = '';
    const child = spawn(file, args, {
      cwd: top,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: atMostSeconds * 1000,
      killSignal: 'SIGKILL',
    });
    child.stdout.on('data', data => {
      said += data;
      process.stdout.write(data);
    });
    child.on('error', reject);
    child.on('close', status => resolve({ status, said }));
  });
}

function commit() {
  const git = (...args) => execFileSync('git', args, { cwd: top, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', ':!bench/results') !== '';
  return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? ' and changes' : ''}`;
}

function keep(name, row) {
  const all = { ...read(), [name]: row };
  writeFileSync(results, `${JSON.stringify(all, null, 2)}\n`);
}

function read() {
  try {
    return JSON.parse(readFileSync(results, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}
