import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './ghostkeep.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const longAgo = new Date('2001-01-01');

it('a second build drops a C file that is gone, and compiles a changed C file even if its time is old', t => {
  const tree = temporaryFolder(t);
  const at = (name: string) => path.join(tree, name);
  for (const name of [
    'src',
    'native',
    'schemas',
    'scripts',
    'install',
    'bench',
    'package.json',
    'package-lock.json',
  ])
    fs.cpSync(path.join(top, name), at(name), { recursive: true });
  fs.cpSync(path.join(top, 'tsconfig.json'), at('tsconfig.json'));
  fs.symlinkSync(path.join(top, 'node_modules'), at('node_modules'));
  const build = () => execFileSync(process.execPath, [at('scripts/build.mjs')], { stdio: 'pipe' });
  const has = (file: string, text: string) => fs.readFileSync(at(file), 'latin1').includes(text);
  const define = (name: string) => `__attribute__((used)) const char gk_${name}[] = "this is ${name}";\n`;

  fs.writeFileSync(at('native/engine/base/gone.c'), define('gone'));
  build();
  assert.ok(has('build/libghostkeep.so', 'this is gone'));

  fs.rmSync(at('native/engine/base/gone.c'));
  fs.appendFileSync(at('native/hook/main.c'), define('older'));
  fs.utimesSync(at('native/hook/main.c'), longAgo, longAgo);
  build();
  assert.ok(!has('build/libghostkeep.so', 'this is gone'));
  assert.ok(has('build/ghostkeep-hook', 'this is older'));
});
