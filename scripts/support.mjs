// Keeps what was seen to pass, for docs/support.md, in test/results/NAME.json.
//
//   node scripts/support.mjs lab trixie|forky   takes the results of the last run of the lab in that suite
//   node scripts/support.mjs node               runs unit tests, demo and a scenario with Node 20, 22 and 24
//
// The page is made from these files (scripts/docs.mjs). The lab's tests fail when a result that is kept does not
// pass any more.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const [, , what, suite] = process.argv;
if (what === 'lab' && suite) keep(suite, labResults(suite));
else if (what === 'node') keep('node', nodeResults());
else {
  console.error('usage: node scripts/support.mjs lab SUITE | node');
  process.exitCode = 2;
}

function keep(name, results) {
  writeFileSync(path.join(top, `test/results/${name}.json`), `${JSON.stringify(results, undefined, 2)}\n`);
}

/* Results of scenarios and runtimes that this run left out are kept as they were. */
function labResults(suite) {
  const before = readIfThere(`test/results/${suite}.json`) ?? { scenarios: {} };
  const lines = readFileSync(path.join(top, `build/lab/${suite}/results.jsonl`), 'utf8')
    .trim()
    .split('\n');
  // Each run takes other seeds for the random files, so their cases are not kept.
  const results = lines.map(line => JSON.parse(line)).filter(({ case: title }) => !title.startsWith('seed '));
  const failed = results.filter(({ ok }) => !ok);
  if (failed.length > 0) throw new Error(`${failed.length} checks failed: ${failed[0].scenario}`);
  const scenarios = structuredClone(before.scenarios);
  for (const { scenario, runtime } of results)
    scenarios[scenario] = { ...scenarios[scenario], [runtime]: [] };
  for (const { scenario, runtime, case: title } of results) {
    const passed = scenarios[scenario][runtime];
    if (!passed.includes(title)) passed.push(title);
  }
  return { versions: versionsOf(suite), scenarios: sorted(scenarios) };
}

function versionsOf(suite) {
  const image = execFileSync(path.join(top, 'test/lab/build-image'), ['--suite', suite], {
    encoding: 'utf8',
  });
  const file = /^VERSIONS=(.*)$/m.exec(image)[1];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return Object.fromEntries(
    lines.map(line => line.split(' ')).map(([name, version]) => [name, upstream(version)]),
  );
}

/* Debian's version without its epoch and its own revision. */
function upstream(version) {
  return version.replace(/^\d+:/, '').replace(/[-+~].*$/, '');
}

function sorted(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readIfThere(name) {
  try {
    return JSON.parse(readFileSync(path.join(top, name), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/* npm's package `node` is the executable of a version. */
function nodeResults() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-nodes-'));
  try {
    return Object.fromEntries(['20', '22', '24'].map(version => [version, resultsOfNode(folder, version)]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function resultsOfNode(folder, version) {
  const prefix = path.join(folder, version);
  execFileSync('npm', ['install', '--silent', '--prefix', prefix, `node@${version}`], { stdio: 'inherit' });
  const bin = path.join(prefix, 'node_modules/node/bin');
  const node = path.join(bin, 'node');
  const runs = (...args) =>
    spawnSync(node, args, {
      cwd: top,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, GHOSTKEEP_BY: 'node' },
    }).status === 0;
  return {
    version: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().slice(1),
    'unit tests': runs('scripts/test.mjs', 'unit'),
    demo: runs('dist/ghostkeep.mjs', 'demo'),
    'one scenario': runs('--import', 'tsx', '--test', 'test/scenario/dump-verify-restore.test.ts'),
  };
}
