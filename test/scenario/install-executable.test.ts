import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRoot } from './ghostkeep.js';
import { InstallTree } from './install-tree.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const installed = '/usr/local/lib/ghostkeep/build/ghostkeep';
const executable = path.join(top, 'build/ghostkeep');

/** Shell: a mount namespace without Node.js, where a file that cannot be executed lies over each one. */
const withoutNode = `for node in $(which -a node nodejs); do mount --bind /dev/null "$node"; done
! command -v node || exit 99`;

describe('install.sh with the executable', {
  skip: isRoot && fs.existsSync(executable) ? false : whyNot(),
}, () => {
  let host: InstallTree;
  before(() => {
    host = new InstallTree();
    for (const name of ['ghostkeep', 'koffi.node'])
      fs.copyFileSync(path.join(top, 'build', name), path.join(host.tree, 'build', name));
    const { status, said } = host.run([], {}, { before: withoutNode });
    assert.equal(status, 0, said);
  });
  after(() => host.remove());

  const check = () => host.run(['--check'], {}, { before: withoutNode });
  const text = (file: string) => fs.readFileSync(host.at(file), 'utf8');

  it('install.sh installs the executable on a host without Node.js, and its own check accepts the installation', () => {
    const { status, said } = check();
    assert.equal(status, 0, said);
    assert.match(said, /^ok +executable: .*needs no Node\.js$/m);
    assert.match(said, /^ok +program: .*ghostkeep \d/m);
    assert.match(said, /^ok +gate: .*active/m);
    for (const stage of ['prestart', 'poststop'])
      assert.match(
        text(`/usr/local/libexec/ghostkeep/${stage}`),
        new RegExp(`^exec '${installed}' hook ${stage}$`, 'm'),
      );
  });

  it('install.sh installs a launcher that drops the variables with which a Bun runs other code', t => {
    const launcher = path.join(host.folder, 'launcher');
    const mark = path.join(host.folder, 'mark');
    fs.writeFileSync(launcher, text('/usr/local/bin/ghostkeep').replace(installed, host.at(installed)), {
      mode: 0o755,
    });
    fs.writeFileSync(`${mark}.js`, `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '')`);
    t.after(() => fs.rmSync(launcher));
    for (const [name, value] of [
      ['BUN_BE_BUN', '1'],
      ['BUN_OPTIONS', `--preload=${mark}.js`],
    ] as const) {
      const { stdout } = spawnSync(launcher, ['--version'], { env: { [name]: value }, encoding: 'utf8' });
      assert.match(stdout, /^ghostkeep /, name);
    }
    assert.ok(!fs.existsSync(mark));
  });

  it('install.sh --check says that strip has turned the executable into a plain Bun', () => {
    const whole = `${host.folder}/whole`;
    fs.copyFileSync(host.at(installed), whole);
    execFileSync('strip', [host.at(installed)]);
    const { status, said } = check();
    fs.copyFileSync(whole, host.at(installed));
    assert.equal(status, 1);
    assert.match(said, /^FAIL +executable: .*is not ghostkeep any more/m);
  });

  it('install.sh installs the program for Node.js where NODE asks for that, and removes the executable', () => {
    const { status, said } = host.run([], { NODE: process.execPath });
    assert.equal(status, 0, said);
    assert.ok(!fs.existsSync(host.at(installed)));
    assert.match(text('/usr/local/bin/ghostkeep'), /dist\/ghostkeep\.mjs/);
    assert.equal(host.run(['--check']).status, 0);
  });
});

function whyNot(): string {
  const reason = isRoot ? 'npm has no Bun for this machine' : 'root is needed to hide Node.js';
  if (process.env['CI'] === 'true') throw new Error(`under CI nothing may be skipped: ${reason}`);
  return reason;
}
