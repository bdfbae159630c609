import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { InstallTree } from './install-tree.js';

const hooksD = '/usr/share/containers/oci/hooks.d';
const lib = '/usr/local/lib/ghostkeep';
const libexecHook = '/usr/local/libexec/ghostkeep/hook';

describe('install.sh --check', () => {
  let host: InstallTree;
  const old = { CRIU: '' };
  before(() => {
    host = new InstallTree();
    old.CRIU = host.compileCriu(11);
    const { status, said } = host.run([]);
    assert.equal(status, 0, said);
    cpSync(host.root, host.at('../installed'), { recursive: true });
  });
  beforeEach(() => {
    rmSync(host.root, { recursive: true });
    cpSync(host.at('../installed'), host.root, { recursive: true });
  });
  after(() => host.remove());

  const check = (damage: () => void, environment: Record<string, string> = {}) => {
    damage();
    return host.run(['--check'], environment);
  };

  const damages: [string, () => void, RegExp][] = [
    ['a file is missing', () => rmSync(host.at(`${lib}/package.json`)), /package\.json is missing/],
    [
      'a file was changed',
      () => appendFileSync(host.at(`${lib}/install.sh`), '#'),
      /is not what was installed/,
    ],
    [
      'the interpreter is gone',
      () => launcher("exec '/no/node' 'x'"),
      /interpreter: \/no\/node does not run/,
    ],
    ['the program does not start', () => entry('throw 1'), /program: .* does not run/],
    ['the library does not load', () => library('not ELF'), /library: /],
    ['the hook does not start', () => writeFileSync(host.at(libexecHook), 'x'), /hook: .* does not run/],
    ['a hooks.d file is damaged', () => hook('{"version": "1.0.0"}'), /hooks\.d: .*hook is missing/],
    [
      'a setting is wrong',
      () => settings('{"engine": "teleport"}'),
      /config\.json: engine is "\w+", it must be one of "auto"/,
    ],
    ['a setting is unknown', () => settings('{"engin": "auto"}'), /there is no key engin, only enabled/],
    [
      'a size is wrong',
      () => settings('{"limit": "4 GB"}'),
      /limit is "4 GB", it must be a whole number of bytes/,
    ],
    [
      'the gate is missing',
      () => rmSync(host.at('/usr/lib/criu/ghostkeep.so')),
      /gate: .* would load .* not there/,
    ],
  ];
  const launcher = (text: string) =>
    writeFileSync(host.at('/usr/local/bin/ghostkeep'), `#!/bin/sh\n${text}\n`);
  const entry = (text: string) => writeFileSync(host.at(`${lib}/dist/ghostkeep.mjs`), text);
  const library = (text: string) => writeFileSync(host.at(`${lib}/build/libghostkeep.so`), text);
  const hook = (text: string) => writeFileSync(host.at(`${hooksD}/ghostkeep-poststop.json`), text);
  const settings = (text: string) => writeFileSync(host.at('/etc/ghostkeep/config.json'), text);

  for (const [what, damage, about] of damages) {
    it(`install.sh --check fails when ${what}`, () => {
      const { status, said } = check(damage);
      assert.equal(status, 1, said);
      assert.match(said.match(/^FAIL .*/gm)?.join('\n') ?? '', about);
    });
  }

  it('install.sh --check accepts settings that the schema accepts', () => {
    const { status, said } = check(() => settings('{"engine": "seek", "limit": "4G", "reserve": 0}'));
    assert.equal(status, 0, said);
  });

  it('install.sh --check says what follows from a CRIU that is too old', () => {
    const { status, said } = check(() => {}, old);
    assert.equal(status, 0, said);
    assert.match(said, /^note +gate: .*inert: .*older than 4\.0.*ghostkeep checkpoint/m);
  });

  it('install.sh --check warns when a hooks.d file in /etc hides one of ours', () => {
    const { said } = check(() => {
      mkdirSync(host.at('/etc/containers/oci/hooks.d'), { recursive: true });
      writeFileSync(host.at('/etc/containers/oci/hooks.d/ghostkeep-prestart.json'), '{}');
    });
    assert.match(said, /^note +hooks\.d: .*prestart\.json hides ours/m);
  });

  it('install.sh --check warns when another hooks.d file starts the prestart hook as well', () => {
    const example = new URL('../../examples/hooks.d/ghostkeep-enabled-prestart.json', import.meta.url);
    for (const folder of [hooksD, '/etc/containers/oci/hooks.d']) {
      const { said } = check(() => {
        mkdirSync(host.at(folder), { recursive: true });
        cpSync(example, host.at(`${folder}/mine.json`));
      });
      assert.match(said, /^note +hooks\.d: .*\/mine\.json starts our prestart hook as well/m);
      assert.equal(said.match(/as well/g)?.length, folder === hooksD ? 1 : 2);
    }
  });

  it('install.sh --check fails when the gate starts another installation', () => {
    const { status, said } = check(() => {
      assert.equal(host.run([], { PREFIX: '/opt/other' }).status, 0);
    });
    assert.equal(status, 1);
    assert.match(said, /ghostkeep\.so starts another program than \/usr\/local\/bin\/ghostkeep/);
  });

  it('install.sh --check looks for the gate where CRIU_LIBS_DIR says, if that is a directory', () => {
    const { said } = check(() => mkdirSync(host.at('/plugins')), { CRIU_LIBS_DIR: '/plugins' });
    assert.match(said, /would load \/plugins\/ghostkeep\.so/);
    const again = host.run(['--check'], { CRIU_LIBS_DIR: path.join('/no', 'such') });
    assert.equal(again.status, 0, again.said);
  });
});
