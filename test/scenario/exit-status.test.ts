import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { commands } from '../../src/cli/commands.js';
import { ghostFile, ghostkeep, type Run, temporaryFolder } from './ghostkeep.js';

const noPid = '4194304';

describe('exit status', () => {
  const wrong: string[][] = [
    [],
    ['nonsense'],
    ['--nonsense'],
    ['help', 'nonsense'],
    ['__proto__'],
    ['constructor'],
    ['scan', '--pid', 'x'],
    ['scan', '--pid', '0'],
    ['scan', '--pid', '-1'],
    ['scan', '--all', '--pid', '1'],
    ['scan', 'extra'],
    ['scan', '--container', ''],
    ['scan', '--bad'],
    ['dump', '-D', '/tmp/x'],
    ['dump', '--pid', '1'],
    ['dump', '--pid', '1', '-D', ''],
    ['dump', '--pid', '1', '-D', '/tmp/gk-none', '--engine', 'dd'],
    ['show'],
    ['verify'],
    ['verify', '-D'],
    ['restore', '-D', '/tmp'],
    ['restore', '-D', '/tmp', '--to', '/tmp/x', '--ghost', '0'],
    ['seal'],
    ['checkpoint', 'runc', 'checkpoint', 'x'],
    ['checkpoint', '--hold', '0', '--', 'runc', 'checkpoint', 'x'],
    ['checkpoint', '--', 'runc', 'restore', 'x'],
    ['checkpoint'],
    ['checkpoint', '--'],
    ['checkpoint', '--', 'runc'],
    ['checkpoint', '--', 'runc', 'checkpoint'],
    ['checkpoint', '--', 'runc', 'checkpoint', 'x', 'y'],
    ['checkpoint', '--hold', '1', '--hold', '2', '--', 'runc', 'checkpoint', 'x'],
    ['dump', '-D', '/tmp/gk-a', '-D', '/tmp/gk-b', '--pid', '1'],
    ['dump', '-D', '/tmp/gk-a', '--images-dir=/tmp/gk-b', '--pid', '1'],
    ['scan', '--container', 'x', '--container', 'y'],
    ['bench', '--results', '/tmp/gk-a', '--results', '/tmp/gk-b'],
    ['bench', '--bad'],
    ['gate', 'predump'],
    ['gate', 'dump'],
    ['hook', 'x'],
  ];
  for (const args of wrong)
    it(`when ghostkeep is called as \`ghostkeep ${args.join(' ')}\`, the status is 2, with a reason on stderr and nothing on stdout`, () => {
      const { status, stdout, stderr } = ghostkeep(args);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      // Called without arguments, it shows its commands.
      if (args.length > 0) assert.match(stderr, /^ghostkeep: cannot .* \[USAGE\]\n$/);
      assert.notEqual(stderr, '');
    });

  it('when a command fails, the status is 1 and stderr has one line that ends in the error code', t => {
    const folder = temporaryFolder(t);
    const cases: [string[], string][] = [
      [['scan', '--pid', String(process.pid), '--pid', noPid], 'NOT_FOUND'],
      [['scan', '--container', 'gk-no-such-container'], 'NOT_FOUND'],
      [['scan', '--cgroup', '/gk-no-such-cgroup'], 'NOT_FOUND'],
      [['show', '-D', folder], 'MANIFEST_MISSING'],
      [['show', '-D', `${folder}/none`], 'MANIFEST_MISSING'],
      [['seal', '-D', folder], 'MANIFEST_MISSING'],
      [['restore', '-D', folder, '--to', `${folder}/to`], 'MANIFEST_MISSING'],
      [['dump', '--pid', noPid, '-D', `${folder}/x`], 'HOLDER_GONE'],
      [['checkpoint', '--', 'podman', 'checkpoint', 'x'], 'RUNTIME_UNKNOWN'],
      [['dump', '--pid', String(process.pid), '-D', '/etc/passwd'], 'IO'],
      // Node's own mkdir would never return there.
      [['dump', '--pid', String(process.pid), '-D', '/proc/gk-none/x'], 'IO'],
      [['show', '-D', '/etc/passwd/x'], 'IO'],
      [['checkpoint', '--', '/gk-none/runc', 'checkpoint', '--image-path', folder, 'x'], 'IO'],
    ];
    for (const [args, code] of cases) {
      const { status, stdout, stderr } = ghostkeep(args);
      assert.equal(status, 1, args.join(' '));
      assert.equal(stdout, '', args.join(' '));
      assert.ok(!stderr.includes('    at '), stderr);
      assert.match(stderr, new RegExp(`(^|\\n)ghostkeep: cannot .*\\[${code}\\]\\n$`), args.join(' '));
    }
  });

  it('when the image directory does not exist, the error says that', t => {
    const { stderr } = ghostkeep(['show', '-D', `${temporaryFolder(t)}/none`]);
    assert.match(stderr, /\/none: there is no such directory \[MANIFEST_MISSING\]\n$/);
  });

  it('when the reason quotes a hostile document, the error is still one line without control characters', t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/ghostkeep`);
    for (const text of ['{"a":\n\u001b]0;x\u0007\u009b2J\u202e', '{"format":"\u009b2J\u202e"}']) {
      fs.writeFileSync(`${folder}/ghostkeep-manifest.json`, text);
      assert.match(ghostkeep(['show', '-D', folder]).stderr, /^[^\p{Cc}\p{Cf}]+ \[MANIFEST_INVALID\]\n$/u);
      assert.match(ghostkeep(['verify', '-D', folder]).stdout, /^[^\p{Cc}\p{Cf}]+ \[MANIFEST_INVALID\]\n$/u);
    }
  });

  it('when an image is a FIFO, verify does not wait for a writer', t => {
    const images = `${temporaryFolder(t)}/images`;
    ghostFile(t, temporaryFolder(t), 'ghost', 'ghost');
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    fs.rmSync(`${images}/ghost-file-1.img`);
    assert.equal(spawnSync('mkfifo', [`${images}/ghost-file-1.img`]).status, 0);
    const { status, stdout } = ghostkeep(['verify', '-D', images]);
    assert.equal(status, 1);
    assert.match(stdout, /ghost-file-1\.img .* not a regular file .*\[IMAGE_INVALID\]/);
  });

  it('when a dump is damaged or missing, verify ends with 1 and says so on stdout', t => {
    const { status, stdout, stderr } = ghostkeep(['verify', '-D', temporaryFolder(t)]);
    assert.deepEqual([status, stderr], [1, '']);
    assert.match(stdout, /\[MANIFEST_MISSING\]\n$/);
  });

  it('when help or the version is asked for, the status is 0 and the text is on stdout', () => {
    for (const args of [
      ['--help'],
      ['-h'],
      ['help'],
      ['--version'],
      ...Object.keys(commands).map(name => [name, '--help']),
      ['scan', '--pid', '1', '-h'],
      ['help', 'scan'],
    ]) {
      const { status, stdout, stderr } = ghostkeep(args);
      assert.deepEqual([status, stderr], [0, ''], args.join(' '));
      assert.notEqual(stdout, '');
    }
  });
});

describe('--json', () => {
  it('when a command has --json, stdout is one JSON document and nothing else', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ghost', 'content');
    const images = `${folder}/images`;
    const json = ({ status, stdout, stderr }: Run, expected = 0) => {
      assert.equal(status, expected, stderr);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const scan = json(ghostkeep(['scan', '--pid', String(process.pid), '--json']));
    assert.deepEqual(Object.keys(scan), ['ghosts', 'unseen', 'processes', 'containers']);
    const dump = json(ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--json']));
    assert.equal(dump['state'], 'sealed');
    assert.deepEqual(json(ghostkeep(['show', '-D', images, '--json'])), dump);
    assert.deepEqual(json(ghostkeep(['verify', '-D', images, '--json']))['damage'], []);
    fs.rmSync(`${images}/ghost-file-1.img`);
    const damaged = json(ghostkeep(['verify', '-D', images, '--json']), 1);
    assert.deepEqual(
      (damaged['damage'] as { code: string }[]).map(({ code }) => code),
      ['IMAGE_MISSING'],
    );
  });

  it('when a command has no --json, stdout says the same in words', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ghost', 'x'.repeat(20_000));
    const images = `${folder}/images`;
    assert.match(
      ghostkeep(['scan', '--pid', String(process.pid)]).stdout,
      / ghostkeep .* unlinked .*\/ghost\n1 ghost, 20 KiB allocated\n(no gate .*\n)?$/,
    );
    assert.match(
      ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).stdout,
      /^dump without CRIU, sealed .*\n1 ghost\n/s,
    );
    assert.match(ghostkeep(['show', '-D', images, '--extents']).stdout, /\[0, 20000\) {2}19\.5 KiB\n$/);
    const shown = JSON.parse(ghostkeep(['show', '-D', images, '--extents', '--json']).stdout) as Manifest;
    assert.deepEqual(shown.ghosts[0]?.extents, [{ offset: 0, length: 20_000 }]);
    assert.match(
      ghostkeep(['verify', '-D', images]).stdout,
      /1 ghost, no damage found; structure only: no checksums /,
    );
    assert.match(ghostkeep(['restore', '-D', images, '--to', `${folder}/to`]).stdout, /ghost-1 .*19\.5 KiB/);
    assert.equal(fs.readFileSync(`${folder}/to/ghost-1`, 'latin1'), 'x'.repeat(20_000));
  });
});
