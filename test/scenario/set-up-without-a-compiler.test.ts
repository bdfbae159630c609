import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './ghostkeep.js';

const top = fileURLToPath(new URL('../..', import.meta.url));

/** Debian's gcc says this where libc6-dev is not installed. */
const withoutHeaders = `#!/bin/sh
echo '<stdin>:2:10: fatal error: stdio.h: No such file or directory' >&2
exit 1
`;

/** A tree that was never built, with the packages of this one. */
function freshTree(t: TestContext): string {
  const tree = temporaryFolder(t);
  const names = [
    'src',
    'native',
    'schemas',
    'scripts',
    'install',
    'bench',
    'package.json',
    'package-lock.json',
  ];
  for (const name of [...names, 'tsconfig.json'])
    fs.cpSync(path.join(top, name), path.join(tree, name), { recursive: true });
  fs.symlinkSync(path.join(top, 'node_modules'), path.join(tree, 'node_modules'));
  return tree;
}

/** @param tools contents of programs that come first in PATH */
function run(t: TestContext, command: string[], tools: Record<string, string>, cwd = freshTree(t)) {
  const [first = '', ...args] = command;
  const bin = temporaryFolder(t);
  for (const [name, text] of Object.entries(tools))
    fs.writeFileSync(path.join(bin, name), text, { mode: 0o755 });
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
  return spawnSync(first, args, { cwd, env, encoding: 'utf8' });
}

describe('building when the C compiler has no headers', () => {
  for (const [who, command] of [
    ['setup', ['sh', 'scripts/setup']],
    ['build', [process.execPath, 'scripts/build.mjs']],
  ] as const) {
    it(`when the C compiler has no headers, ${who} names the packages to install in one line, and ends with 1`, t => {
      const { status, stderr } = run(t, [...command], { cc: withoutHeaders });
      assert.equal(status, 1, stderr);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.match(stderr, new RegExp(`^${who}: cc cannot make a program \\(stdio\\.h: No such file`));
      assert.match(
        stderr,
        /Debian: apt-get install gcc libc6-dev make; Fedora: dnf install gcc glibc-devel make/,
      );
    });
  }

  it('when the packages are missing as well, setup names those of the compiler before npm is started', t => {
    const tree = freshTree(t);
    fs.rmSync(path.join(tree, 'node_modules'));
    const npm = `#!/bin/sh\ntouch ${tree}/npm-was-started\n`;
    const { status, stderr } = run(t, ['sh', 'scripts/setup'], { cc: withoutHeaders, npm }, tree);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^setup: cc cannot make a program [^\n]*\n$/);
    assert.ok(!fs.existsSync(`${tree}/npm-was-started`), 'npm was started');
  });

  it('when a later step of a build fails, the build names the program that failed, without a stack trace', t => {
    const { status, stderr } = run(t, [process.execPath, 'scripts/build.mjs'], {
      make: '#!/bin/sh\necho "make: it breaks" >&2\nexit 2\n',
    });
    assert.equal(status, 1);
    assert.equal(stderr, 'make: it breaks\nbuild: make failed\n');
  });
});

it('when make or the compiler is missing, the line with the packages to install names it', () => {
  const said = (env: NodeJS.ProcessEnv) =>
    spawnSync('/bin/sh', [path.join(top, 'native/can-compile')], { env, encoding: 'utf8' });
  const noMake = said({ PATH: '/no/such' });
  assert.equal(noMake.status, 1);
  assert.match(noMake.stdout, /^make is missing: install a C compiler, .*\n$/);
  const noCompiler = said({ ...process.env, CC: 'no-such-compiler -m64' });
  assert.match(noCompiler.stdout, /^no-such-compiler is missing: install .*\n$/);
});
