// node scripts/lint/style.mjs: runs the unit tests that look at the text of the sources and not at what they do:
// layout, line length and plain English. It prints only failures.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const tests = ['house', 'native-house', 'plain-english'].map(name => `test/unit/${name}.test.ts`);
const words = ['--import', 'tsx', '--test', '--test-reporter=spec', ...tests];
const { status, stdout } = spawnSync(process.execPath, words, { cwd: top, encoding: 'utf8' });
if (status !== 0) process.stderr.write(stdout.slice(stdout.indexOf('✖ failing tests:')));
process.exitCode = status === 0 ? 0 : 1;
