/** A user without rights is root of a user namespace, mounts file systems there, and serves FUSE. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const nobody = '65534';

/**
 * The process has a file of a FUSE server that is stopped, a ghost of this machine, a ghost on a tmpfs that is
 * mounted in its namespace only, and a linked one whose folder is a link to /etc by now.
 */
const attack = `
  mount --bind fuse /dev/fuse
  ./server source mount &
  until grep -q " $PWD/mount " /proc/self/mountinfo; do sleep 0.05; done
  exec 3<mount/live 4>near
  echo near >&4
  rm near
  mount -t tmpfs own own
  exec 5>own/far
  echo far >&5
  rm own/far
  mkdir own/etc
  echo linked >own/etc/passwd
  ln own/etc/passwd own/other
  exec 6<own/etc/passwd
  rm -r own/etc
  ln -s /etc own/etc
  kill -STOP $!
  echo ready
  exec sleep 600`;

async function attacker(t: TestContext): Promise<number | undefined> {
  if (!needs(t, isRoot && fs.existsSync('/dev/fuse'), 'this needs root and /dev/fuse')) return undefined;
  const folder = fs.mkdtempSync(`${tmpdir()}/gk-user-`);
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const code = fileURLToPath(new URL('fuse-server.c', import.meta.url));
  const built = spawnSync('cc', ['-o', `${folder}/server`, code, '-lfuse3'], { encoding: 'utf8' });
  if (!needs(t, built.status === 0, `no libfuse3-dev: ${built.stderr}`)) return undefined;
  spawnSync('mknod', ['-m', '666', `${folder}/fuse`, 'c', '10', '229']);
  for (const name of ['source', 'mount', 'own']) fs.mkdirSync(`${folder}/${name}`);
  fs.writeFileSync(`${folder}/source/live`, 'live');
  spawnSync('chown', ['-R', `${nobody}:${nobody}`, folder]);
  const child = spawn(
    'setpriv',
    [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', 'unshare', '-Urm', 'bash', '-ec', attack],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  // The FUSE server is in the same process group, and the mounts end with the namespace.
  t.after(() => process.kill(-(child.pid as number), 'SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', reject);
  });
  return child.pid;
}

describe('file systems that a user without rights mounts in a user namespace', () => {
  it("scan ends in a user namespace with hostile mounts, shows the ghosts there, and follows none of the user's links", async t => {
    const pid = await attacker(t);
    if (pid === undefined) return;
    const { status, stdout, stderr } = ghostkeep(['scan', '--pid', String(pid), '--json']);
    assert.equal(status, 0, stderr);
    const { ghosts, unseen } = JSON.parse(stdout) as Scan;
    const shown = ghosts.map(ghost => [ghost.class, ghost.path.split('/').slice(3).join('/')]);
    assert.deepEqual(shown.sort(), [
      ['linked', 'own/etc/passwd'],
      ['unlinked', 'near'],
      ['unlinked', 'own/far'],
    ]);
    assert.deepEqual(
      unseen.map(({ what }) => what),
      ['fd 3'],
    );
  });

  it("dump ends in a user namespace with hostile mounts, and restore gives back every byte of the user's ghosts", async t => {
    const pid = await attacker(t);
    if (pid === undefined) return;
    const folder = temporaryFolder(t);
    const dump = ghostkeep(['dump', '--pid', String(pid), '-D', `${folder}/images`]);
    assert.equal(dump.status, 0, dump.stderr);
    assert.match(dump.stderr, /warning: cannot look at fd 3 of process/);
    const restore = ghostkeep(['restore', '-D', `${folder}/images`, '--to', `${folder}/back`]);
    assert.equal(restore.status, 0, restore.stderr);
    const back = fs
      .readdirSync(`${folder}/back`)
      .map(name => fs.readFileSync(`${folder}/back/${name}`, 'latin1'));
    assert.deepEqual(back.sort(), ['far\n', 'linked\n', 'near\n']);
  });
});
