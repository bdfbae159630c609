// node scripts/test.mjs [lint|unit|scenario|native|lab …]: runs the parts that are named, or all, and adds up
// their results. A part that fails does not stop the others. Under CI=true a skipped test is a failure. Parts
// that use one processor run side by side, as many at a time as there are processors, and the output of each
// is printed when it has ended. The files of the scenarios, most of which wait, run side by side, too.
// GHOSTKEEP_SEED=N repeats a run's random numbers; under CI=true they follow from the commit.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-test-'));

const parts = {
  lint: [say => single(say, 'npm', ['run', '--silent', 'lint']), lintShell],
  unit: [say => nodeTests(say, 'test/unit')],
  scenario: [say => nodeTests(say, 'test/scenario', os.availableParallelism())],
  native: [
    ...['engine', 'gate', 'hook', 'workload'].flatMap(name => [
      say => make(say, name),
      say => make(say, name, 'SANITIZE=1'),
    ]),
    say => counted(say, 'native for aarch64', 'test/native/aarch64/run', [path.join(top, 'build/aarch64')]),
  ],
  lab: [say => nodeTests(say, 'test/lab')],
};

// A fixed umask, so that tests which look at modes do not depend on who starts them.
process.umask(0o022);

const seedLine = `GHOSTKEEP_SEED=${chooseSeed()} repeats the random numbers of this run`;

/**
 * These parts run beside each other. The lab runs alone, because it uses the whole machine. A sanitized build
 * has folders of its own.
 */
const besideOthers = ['lint', 'unit', 'native'];

process.exitCode = await main(process.argv.slice(2));

async function main(names) {
  const unknown = names.filter(name => !(name in parts));
  if (unknown.length > 0) {
    console.error(`no such part: ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
    return 2;
  }
  console.log(seedLine);
  const steps = (names.length > 0 ? names : Object.keys(parts)).flatMap(name =>
    parts[name].map(step => ({ name, step })),
  );
  await runTogether(steps.filter(({ name }) => besideOthers.includes(name)));
  for (const one of steps.filter(({ name }) => !besideOthers.includes(name))) {
    one.result = await one.step(text => process.stdout.write(text));
  }
  rmSync(scratch, { recursive: true });
  return summarize(steps.map(({ name, result }) => ({ name, ...result })));
}

/**
 * In CI the seed follows from the commit. So a second run for the same commit does the same, and a failure
 * comes from what was changed.
 */
function chooseSeed() {
  process.env['GHOSTKEEP_SEED'] ||= String(
    process.env['CI'] === 'true' ? seedOfCommit() : Date.now() % 2 ** 32,
  );
  return process.env['GHOSTKEEP_SEED'];
}

function seedOfCommit() {
  const args = ['-c', 'safe.directory=*', '-C', top, 'rev-parse', 'HEAD'];
  const { stdout } = spawnSync('git', args, { encoding: 'utf8' });
  return Number.parseInt(/^[0-9a-f]{7}/.exec(stdout ?? '')?.[0] ?? '1', 16);
}

async function runTogether(steps) {
  const waiting = [...steps];
  const lane = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const said = [];
      one.result = await one.step(text => said.push(text));
      process.stdout.write(Buffer.concat(said));
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, lane));
}

function summarize(results) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  console.log();
  for (const { name, what, passed, failed, skipped, seconds, failures = [] } of results) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    for (const line of failures) console.log(line);
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    console.log(`${failed ? 'FAILED' : 'ok    '} ${name.padEnd(9)} ${counts}, ${seconds} s: ${what}`);
  }
  if (total.failed > 0) console.log(seedLine);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  const mustRun = process.env['CI'] === 'true' && total.skipped > 0;
  if (mustRun) console.log('CI=true: nothing may be skipped');
  return total.failed > 0 || mustRun ? 1 : 0;
}

/* Runs every *.test.ts below a folder with Node's own runner, TOGETHER files at a time. */
async function nodeTests(say, folder, together = 1) {
  const files = readdirSync(path.join(top, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => path.join(folder, name))
    .sort();
  const what = `${folder} (${files.length} files)`;
  if (files.length === 0) return { what, passed: 0, failed: 1, skipped: 0, seconds: 0 };
  const tap = path.join(scratch, `${path.basename(folder)}.tap`);
  const reporters = ['spec', 'tap'].map(reporter => `--test-reporter=${reporter}`);
  const places = ['stdout', tap].map(place => `--test-reporter-destination=${place}`);
  const { status, seconds } = await run(say, process.execPath, [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${together}`,
    ...reporters,
    ...places,
    ...files,
  ]);
  const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
  const count = name => Number(text.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  const counted = total(what, status, seconds, count('pass'), failed, count('skipped') + count('todo'));
  return { ...counted, failures: failuresIn(text) };
}

/*
 * Gives each failed test of a TAP report with the reason. Failures are printed beside the totals, because
 * whoever looks at a long run sees its end first.
 */
function failuresIn(tap) {
  const blocks = tap.split(/^(?= *(?:not )?ok \d+ - )/m).filter(block => /^ *not ok /.test(block));
  return blocks.flatMap(block => {
    const lines = block.split('\n').map(line => line.slice(0, 500));
    const end = lines.findIndex(line => line.trim() === '...');
    return lines.slice(0, Math.min(end < 0 ? lines.length : end, 60));
  });
}

function make(say, name, ...variables) {
  const build = `BUILD=${path.join(top, 'build')}`;
  const what = `native/${name} ${variables.join(' ')}`.trim();
  return counted(say, what, 'make', ['-s', '-C', `native/${name}`, 'test', build, ...variables]);
}

/* Runs a command that prints a line for each of its tests, in TAP's form or ours. */
async function counted(say, what, file, args) {
  const { status, seconds, text } = await run(say, file, args);
  const lines = text.split('\n');
  const skipped = lines.filter(line => /^(not )?ok\b.*# SKIP/i.test(line)).length;
  // A runner that counts by itself prints its number in its last line: `ok   41 cases`.
  const passed = lines.reduce((sum, line) => {
    const cases = line.match(/^ok +(\d+) cases$/);
    return sum + (cases ? Number(cases[1]) : Number(/^ok\b(?!.*# SKIP)/i.test(line)));
  }, 0);
  const failed = lines.filter(line => /^(not ok\b(?!.*# SKIP)|FAIL )/i.test(line)).length;
  return total(what, status, seconds, passed, failed, skipped);
}

/* Runs a command that counts as one test. */
async function single(say, file, args, what = [file, ...args].join(' ')) {
  const { status, seconds } = await run(say, file, args);
  return total(what, status, seconds, status === 0 ? 1 : 0, 0, 0);
}

async function lintShell(say) {
  const version = await run(() => {}, 'shellcheck', ['--version']);
  if (version.status !== 0) {
    say(Buffer.from('skipped: shellcheck is not installed\n'));
    return { what: 'shellcheck', passed: 0, failed: 0, skipped: 1, seconds: 0 };
  }
  const installer = readdirSync(path.join(top, 'install')).filter(name => name.endsWith('.sh'));
  const scripts = [
    'install.sh',
    'scripts/setup',
    'scripts/about-tests',
    'native/can-compile',
    '.ci/run',
    'hooks/prestart',
    'hooks/poststop',
    'packaging/build',
    'packaging/debian/postinst',
    'packaging/debian/postrm',
    'packaging/debian/prerm',
    'bench/build-tree',
    'test/lab/build-image',
    'test/lab/native',
    'test/lab/run-lab',
    'test/native/aarch64/emulator',
    'test/native/aarch64/run',
    'test/native/hook/run.sh',
    'test/native/workload/run.sh',
  ];
  return single(
    say,
    'shellcheck',
    ['-x', ...scripts, ...installer.map(name => `install/${name}`)],
    'shellcheck',
  );
}

/* A failure that no line reported counts as one; so does a run that tested nothing. */
function total(what, status, seconds, passed, failed, skipped) {
  const silent = (status !== 0 && failed === 0) || passed + failed + skipped === 0;
  return { what, passed, failed: silent ? 1 : failed, skipped, seconds };
}

/**
 * Passes the command's output to `say` as it comes, and returns it. A signal or a missing program gives
 * status 1.
 */
function run(say, file, args) {
  const started = Date.now();
  return new Promise(resolve => {
    let text = '';
    const child = spawn(file, args, { cwd: top, stdio: ['ignore', 'pipe', 'pipe'] });
    const done = status => resolve({ status, text, seconds: Math.round((Date.now() - started) / 1000) });
    child.stdout.on('data', data => {
      text += data;
      say(data);
    });
    child.stderr.on('data', say);
    child.on('error', error => {
      say(Buffer.from(`cannot run ${file}: ${error.message}\n`));
      done(1);
    });
    child.on('close', status => done(status ?? 1));
  });
}
