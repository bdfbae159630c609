/** docs/privileges.md: root, CAP_SYS_PTRACE and CAP_CHOWN are taken away, and the page says what happens then. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { command, ghostFile, isRoot, publicProgram, temporaryFolder } from './ghostkeep.js';

const options = { skip: isRoot ? false : 'only root can give privileges up' };
const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
const without = (capabilities: string) => [`--bounding-set=${capabilities}`, `--inh-caps=${capabilities}`];

/** A process of root with a ghost of 100,000 bytes. */
function holder(t: TestContext, folder: string): string {
  const ghost = ghostFile(t, folder, 'held', Buffer.alloc(100_000, 7));
  const child = spawn('sleep', ['600'], { stdio: ['ignore', ghost] });
  t.after(() => child.kill('SIGKILL'));
  return String(child.pid);
}

function run(privileges: readonly string[], program: readonly string[], ...args: string[]) {
  return spawnSync('setpriv', [...privileges, ...program, ...args], { encoding: 'utf8', cwd: '/' });
}

describe('without a privilege', options, () => {
  it('a user who is not root sees no ghost of others, and is told so', t => {
    const pid = holder(t, temporaryFolder(t));
    const program = [process.execPath, publicProgram(t)];
    const { status, stderr } = run(nobody, program, 'scan', '--pid', pid);
    assert.equal(status, 1);
    assert.match(stderr, /\[PERMISSION\]/);
    const all = run(nobody, program, 'scan');
    assert.equal(all.status, 0, all.stderr);
    assert.match(all.stdout, /not looked at, because permission is denied: \d+ processes .*; run it as root/);
  });

  it('a user who is not root is told to be root where a checkpoint belongs to root', t => {
    const folder = temporaryFolder(t);
    fs.chmodSync(folder, 0o755);
    const images = `${folder}/images`;
    const pid = holder(t, folder);
    assert.equal(run([], command, 'dump', '--pid', pid, '-D', images).status, 0);
    fs.writeFileSync(`${folder}/a.tar`, 'x', { mode: 0o600 });
    const program = [process.execPath, publicProgram(t)];
    for (const args of [
      ['show', images],
      ['show', images, '--html', '/dev/null'],
      ['verify', images],
      ['restore', images, '--to', `${folder}/to`],
      ['materialize', images],
      ['show', `${folder}/a.tar`],
    ]) {
      const { status, stdout, stderr } = run(nobody, program, ...args);
      assert.equal(status, 1);
      assert.match(`${stderr}${stdout}`, /EACCES.*; run it as root \[PERMISSION\]\n$/, args.join(' '));
    }
    const { error } = JSON.parse(run(nobody, program, 'show', images, '--json').stdout);
    assert.match(error.message, /; run it as root$/);
  });

  it('root without CAP_SYS_PTRACE cannot look at a process with more capabilities', t => {
    const folder = temporaryFolder(t);
    const pid = holder(t, folder);
    for (const [args, code] of [
      [['scan', '--pid', pid], 'PERMISSION'],
      [['dump', '--pid', pid, '-D', `${folder}/images`], 'GHOST_UNREADABLE'],
    ] as const) {
      const { status, stderr } = run(without('-sys_ptrace'), command, ...args);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`\\[${code}\\]`));
    }
  });

  it('root without CAP_CHOWN restores files, and is told that they belong to somebody else now', t => {
    const folder = temporaryFolder(t);
    fs.fchownSync(ghostFile(t, folder, 'held', 'of a user'), 65534, 65534);
    const pid = String(process.pid);
    const dumped = run([], command, 'dump', '--pid', pid, '-D', `${folder}/images`);
    assert.equal(dumped.status, 0, dumped.stderr);
    const { status, stdout } = run(
      without('-chown'),
      command,
      ...['restore', '-D', `${folder}/images`, '--to', `${folder}/files`],
    );
    assert.equal(status, 0);
    assert.match(stdout, /owner/);
  });
});
