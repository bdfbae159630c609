// The lab as tests: runs test/lab/run-lab and makes a subtest of each of its results. Where it cannot run, it
// says why and skips; with CI=true that is a failure.
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * On a machine of two processors it takes 20 minutes; slow ones, and what is run twice, shall not make it
 * fail.
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

test('the lab: real runtimes in Debian 13', { timeout: deadlineMs + 60_000 }, async t => {
  const why = whyNot();
  if (why !== undefined) {
    assert.notEqual(process.env.CI, 'true', `the lab cannot run: ${why}`);
    t.skip(why);
    return;
  }
  const { status, results } = runLab();
  for (const result of results) {
    await t.test(`${result.scenario}: ${result.runtime}: ${result.case}`, () => {
      assert.ok(result.ok, result.detail);
    });
  }
  assert.equal(status, 0, 'run-lab failed: its last lines are above, its logs in build/lab/SUITE');
  assert.notEqual(results.length, 0);
});

function whyNot(): string | undefined {
  const check = spawnSync(path.join(lab, 'build-image'), ['--check'], { encoding: 'utf8' });
  return check.status === 0 ? undefined : lastLine(check);
}

function lastLine(ran: SpawnSyncReturns<string>): string {
  return ran.stderr?.trim().split('\n').at(-1) || String(ran.error ?? `exit status ${ran.status}`);
}

// Its progress goes to our stderr as it comes; the results come from a file.
function runLab(): { status: number | null; results: Result[] } {
  const directory = mkdtempSync(path.join(tmpdir(), 'ghostkeep-lab-'));
  const file = path.join(directory, 'results.jsonl');
  try {
    const ran = spawnSync(path.join(lab, 'run-lab'), ['--json', file, ...scenarios()], {
      stdio: ['ignore', 2, 2],
      timeout: deadlineMs,
    });
    return { status: ran.status, results: parseResults(file) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

// GHOSTKEEP_LAB_SCENARIOS="10 22": only those, while working on them.
function scenarios(): string[] {
  return (process.env.GHOSTKEEP_LAB_SCENARIOS ?? '').split(/\s+/).filter(name => name !== '');
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
