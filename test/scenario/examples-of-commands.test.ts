/** The one table of commands: each example works, and what is made from the table can be used. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { commands } from '../../src/cli/commands.js';
import { optionsOf } from '../../src/cli/generate/options-of.js';
import { command, ghostFile, ghostkeep, isRoot, temporaryFolder } from './ghostkeep.js';

const folderOfTests = path.dirname(fileURLToPath(import.meta.url));
const examples = Object.entries(commands).flatMap(([name, { example }]) =>
  example ? [{ name, example }] : [],
);

/**
 * The example, changed so that the other host is in FOLDER. A dump starts the receiver, because it needs a
 * sender.
 */
function here(name: string, example: string, folder: string): string {
  const receiver = `${folder}/bin/ghostkeep receive -D ${folder}/received`;
  if (name === 'receive') {
    const words = example
      .replace('ghostkeep', `${folder}/bin/ghostkeep`)
      .replace('images', `${folder}/received`);
    assert.equal(words, receiver);
    return `ghostkeep dump --pid 4711 -D left --via '${words}'`;
  }
  if (name !== 'send-images') return example;
  const words = example
    .replace('ssh backup ghostkeep receive -D /srv/web', receiver)
    .replace('-D images', '-D left');
  assert.ok(words.includes(receiver) && words.includes('-D left'), words);
  return words;
}

describe('the example of each command', () => {
  it('when a command is for people, it has an example, and --help shows the example', () => {
    const without = Object.keys(commands).filter(name => !examples.some(each => each.name === name));
    assert.deepEqual(without.sort(), ['carry', 'gate', 'hook']);
    for (const { name, example } of examples)
      assert.ok(ghostkeep([name, '--help']).stdout.endsWith(`\nExample: ${example}\n`), name);
  });

  it('when the examples are typed one after the other, each command succeeds', { timeout: 240_000 }, t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/bin`);
    const program = command.map(word => `'${word}'`).join(' ');
    fs.writeFileSync(`${folder}/bin/ghostkeep`, `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
    const child = spawn('sleep', ['600'], {
      stdio: ['ignore', ghostFile(t, folder, 'log', 'x'.repeat(20_000))],
    });
    t.after(() => child.kill('SIGKILL'));
    const env = { ...process.env, PATH: `${folder}/bin:${process.env['PATH']}` };
    for (const { name, example } of examples) {
      // test/scenario/bench.test.ts runs this one.
      if (name === 'bench') continue;
      // Digests of what a receiver has lie in /run, where only root can write.
      if (/^(receive|send-images)$/.test(name) && !isRoot) continue;
      // A real runtime is used in the lab (test/lab/guest/scenarios/23-no-gate.sh).
      const noRuntime = name === 'checkpoint' && spawnSync('runc', ['--version']).status !== 0;
      if (name === 'share') fs.cpSync(`${folder}/images`, `${folder}/older`, { recursive: true });
      // Only an installation has hooks to register: install.test.ts does it with one.
      const notInstalled = name === 'register';
      const words = here(name, example, folder).replace('4711', String(child.pid));
      const { status, stdout, stderr } = spawnSync('sh', ['-c', words], {
        cwd: folder,
        env,
        encoding: 'utf8',
      });
      if (noRuntime) assert.match(stderr, /runc is not installed/);
      else if (notInstalled) assert.match(stderr, /this ghostkeep was not installed/);
      else if (name === 'share' && status !== 0) assert.match(stderr, /`ghostkeep pack` saves room/);
      // The ghost is smaller than a unit, so nothing of it was packed. docs/history.md has examples that are run.
      else if (name === 'dedup') assert.match(stderr, /it has no parent/);
      // Without CRIU, the host is not in order.
      else if (name === 'doctor' && status !== 0) assert.match(stdout, /^broken /m);
      else if (name !== 'checkpoint') assert.equal(status, 0, `${words}\n${stdout}${stderr}`);
    }
    assert.equal(fs.readFileSync(`${folder}/saved/log`, 'utf8'), 'x'.repeat(20_000));
    assert.equal(fs.readFileSync(`${folder}/files/log`, 'utf8'), 'x'.repeat(20_000));
    assert.match(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'), /^State:\s[SR]/m);
  });

  it('the example of bench, which takes long, is run by another test: bench.test.ts has the same words', () => {
    const text = fs.readFileSync(`${folderOfTests}/bench.test.ts`, 'utf8');
    const words = [...(/const small = \[(.*)\]/.exec(text)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(
      ([, word]) => word,
    );
    assert.equal(
      `ghostkeep bench ${words.filter(word => word !== '--json').join(' ')}`,
      commands['bench']?.example,
    );
  });
});

describe('the usage of each command', () => {
  it('the usage of each command names the options that the command takes, and no others', async t => {
    let taken: string[] = [];
    const noteOptions = t.mock.method(util, 'parseArgs', ({ options = {} }: util.ParseArgsConfig) => {
      taken = Object.keys(options);
      throw new Error('the options are known');
    });
    syncBuiltinESMExports();
    t.after(() => {
      noteOptions.mock.restore();
      syncBuiltinESMExports();
    });
    for (const [name, command] of Object.entries(commands)) {
      taken = [];
      const run = await command.load();
      await assert.rejects(run(name === 'checkpoint' ? ['--', 'runc'] : []), name);
      const named = optionsOf(command).map(option =>
        option.name.replace(/^-+/, '').replace(/^D$/, 'images-dir'),
      );
      // -D may stand for the first argument, and doctor --examination is for doctor itself.
      const known = taken.filter(option => !/^(images-dir|examination)$/.test(option));
      assert.deepEqual(named.filter(option => option !== 'images-dir').sort(), known.sort(), name);
    }
  });
});

describe('completions', () => {
  /** The words that bash would offer behind LINE. */
  function offered(line: string): string[] {
    const words = line.split(' ');
    const script = `eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ghostkeep; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const made = ghostkeep(['completion', 'bash']).stdout;
    const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-euc', script, 'bash', made, ...words], {
      encoding: 'utf8',
      cwd: '/',
    });
    assert.deepEqual([status, stderr], [0, ''], line);
    return stdout.split('\n').filter(Boolean);
  }

  it('bash completion offers commands, options, words and folders', () => {
    assert.deepEqual(offered('ghostkeep sh'), ['show', 'share']);
    assert.deepEqual(offered('ghostkeep scan --so'), ['--sort']);
    assert.deepEqual(offered('ghostkeep scan --sort '), ['allocated', 'size', 'path', 'pid']);
    assert.deepEqual(offered('ghostkeep restore --to /et'), ['/etc']);
    assert.deepEqual(offered('ghostkeep show /et'), ['/etc']);
    assert.deepEqual(offered('ghostkeep completion z'), ['zsh']);
    assert.deepEqual(offered('ghostkeep checkpoint --h'), ['--hold', '--help']);
    assert.deepEqual(offered('ghostkeep dump --tls-k'), ['--tls-key']);
  });

  for (const [shell, check] of [
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ] as const)
    it(`when ${shell} reads its completions, it finds no error`, t => {
      if (spawnSync(shell, ['--version']).status !== 0) return t.skip(`not run: ${shell} is not installed`);
      const file = `${temporaryFolder(t)}/completion`;
      fs.writeFileSync(file, ghostkeep(['completion', shell]).stdout);
      const { status, stderr } = spawnSync(shell, [check, file], { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, '']);
    });

  it('when completions for an unknown shell are asked for, the answer names those there are', () => {
    const { status, stderr } = ghostkeep(['completion', 'tcsh']);
    assert.equal(status, 2);
    assert.match(stderr, /must be one of bash, zsh, fish/);
  });
});

describe('the manual page', () => {
  it('when man formats the manual page, man finds no fault, and all commands and options are there', t => {
    const page = ghostkeep(['man']).stdout;
    for (const { example } of examples) assert.ok(page.includes(example.replaceAll('-', '\\-')), example);
    if (spawnSync('man', ['--version']).status !== 0) return t.skip('not run: man is not installed');
    const formatted = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-'], {
      input: page,
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '500', LC_ALL: 'C.UTF-8' },
    });
    assert.deepEqual([formatted.status, formatted.stderr], [0, '']);
    for (const option of ['--kept-by', '--freeze', '--allow-privileged'])
      assert.ok(formatted.stdout.includes(option));
    assert.match(formatted.stdout, /Example:\n+ +ghostkeep scan --sort size/);
  });
});
