// Runs the lab as tests: it starts test/lab/run-lab and makes a subtest of each of its results. Where the lab
// cannot run, this says why and skips; with CI=true that is a failure.
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * On two processors, all scenarios of trixie take 20 minutes. The limit is longer, because a slow machine and
 * scenarios that run twice must not fail the test.
 */
const deadlineMs = 65 * 60 * 1000;

interface Result {
  readonly scenario: string;
  readonly runtime: string;
  readonly case: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly detail: string;
}

const lab = path.join(root(), 'test', 'lab');

/**
 * All scenarios run on Debian 13, with fewer random files than by default. On forky those run that cannot run
 * on Debian 13, and some that fit into a few minutes: `run-lab --suite forky` runs the rest.
 */
const suites: Record<string, string[]> = {
  trixie: ['--random', '2'],
  forky: ['--native', ...new Set(['10', '11', '16', '18', '23', '56', ...notOnTrixie()])],
};

/**
 * GHOSTKEEP_LAB_SCENARIOS="10 22" runs only those scenarios, in trixie or in GHOSTKEEP_LAB_SUITE. It is for
 * work on these scenarios.
 */
const onlyScenarios = words(process.env.GHOSTKEEP_LAB_SCENARIOS);
const onlySuite = process.env.GHOSTKEEP_LAB_SUITE ?? (onlyScenarios.length > 0 ? 'trixie' : undefined);

for (const [suite, scenarios] of Object.entries(suites)) {
  if (onlySuite !== undefined && suite !== onlySuite) continue;
  test(`the lab: real runtimes in Debian ${suite}`, { timeout: deadlineMs + 60_000 }, t =>
    testSuite(t, suite, onlyScenarios.length > 0 ? onlyScenarios : scenarios),
  );
}

async function testSuite(t: TestContext, suite: string, scenarios: string[]): Promise<void> {
  const why = whyNot(suite);
  if (why !== undefined) {
    assert.notEqual(process.env.CI, 'true', `the lab cannot run: ${why}`);
    t.skip(why);
    return;
  }
  const { status, results } = runLab(suite, scenarios);
  for (const result of results) {
    await t.test(`${result.scenario}: ${result.runtime}: ${result.case}`, () => {
      assert.ok(result.ok, result.detail);
    });
  }
  await t.test('what docs/support.md shows as passed has passed', () => {
    assert.deepEqual(notPassed(suite, scenarios === suites['trixie'], results), []);
  });
  assert.equal(status, 0, 'run-lab failed: its last lines are above, its logs in build/lab');
  assert.notEqual(results.length, 0);
}

/**
 * Lists the checks that test/results records as passed and that did not pass in this run. ALL is true if this
 * run had every scenario of the suite; otherwise only the scenarios that ran are compared. On a host without
 * native runs (machine-native), where everything is emulated, other checks apply and none is compared.
 */
function notPassed(suite: string, all: boolean, results: Result[]): string[] {
  if (!existsSync(path.join(root(), `build/lab/${suite}/machine-native`))) return [];
  const name = ({ scenario, runtime, case: title }: Omit<Result, 'ok' | 'seconds' | 'detail'>) =>
    `${scenario}: ${runtime}: ${title}`;
  const passed = new Set(results.filter(({ ok }) => ok).map(name));
  const ran = new Set(results.map(({ scenario }) => scenario));
  const kept: { scenarios: Record<string, Record<string, string[]>> } = JSON.parse(
    readFileSync(path.join(root(), `test/results/${suite}.json`), 'utf8'),
  );
  return Object.entries(kept.scenarios)
    .filter(([scenario]) => all || ran.has(scenario))
    .flatMap(([scenario, runtimes]) =>
      Object.entries(runtimes).flatMap(([runtime, cases]) =>
        cases.map(title => name({ scenario, runtime, case: title })),
      ),
    )
    .filter(title => !passed.has(title));
}

/** The numbers of scenarios whose head names other suites only: nothing else would run them. */
function notOnTrixie(): string[] {
  const folder = path.join(lab, 'guest', 'scenarios');
  return readdirSync(folder)
    .filter(name => {
      const named = /^# suites: (.*)$/m.exec(readFileSync(path.join(folder, name), 'utf8'))?.[1];
      return named !== undefined && !words(named).includes('trixie');
    })
    .map(name => name.slice(0, 2));
}

function whyNot(suite: string): string | undefined {
  const check = spawnSync(path.join(lab, 'build-image'), ['--check', '--suite', suite], { encoding: 'utf8' });
  return check.status === 0 ? undefined : lastLine(check);
}

function lastLine(ran: SpawnSyncReturns<string>): string {
  return ran.stderr?.trim().split('\n').at(-1) || String(ran.error ?? `exit status ${ran.status}`);
}

// The lab's progress goes to our stderr as it comes. The results come from a file.
function runLab(suite: string, scenarios: string[]): { status: number | null; results: Result[] } {
  const directory = mkdtempSync(path.join(tmpdir(), 'ghostkeep-lab-'));
  const file = path.join(directory, 'results.jsonl');
  try {
    const ran = spawnSync(path.join(lab, 'run-lab'), ['--suite', suite, '--json', file, ...scenarios], {
      stdio: ['ignore', 2, 2],
      timeout: deadlineMs,
    });
    return { status: ran.status, results: parseResults(file) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter(word => word !== '');
}

function parseResults(file: string): Result[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Result);
}

function root(): string {
  return path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
}
