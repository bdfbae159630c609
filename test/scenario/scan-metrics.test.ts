/** `ghostkeep scan --metrics`, and the units in examples/ that run it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));
const scan = (...args: string[]) => ghostkeep(['scan', '--pid', String(process.pid), ...args]);

describe('scan --metrics', () => {
  it('scan --metrics writes a whole file that node_exporter can read and everybody may read', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ghost', Buffer.alloc(1 << 20, 1));
    const file = `${folder}/ghostkeep.prom`;
    fs.writeFileSync(`${folder}/old`, 'old\n', { mode: 0o644 });
    fs.linkSync(`${folder}/old`, file);
    for (const isFirst of [false, true]) {
      if (isFirst) fs.rmSync(file);
      assert.deepEqual(scan('--metrics', file), { status: 0, stdout: '', stderr: '' });
      const text = fs.readFileSync(file, 'utf8');
      assert.match(text, /^ghostkeep_ghosts\{kept_by="ghostkeep"\} 1$/m);
      assert.match(text, /^ghostkeep_ghost_allocated_bytes\{kept_by="ghostkeep"\} 1048576$/m);
      assert.match(text, /^ghostkeep_ghosts\{kept_by="no"\} 0$/m);
      for (const line of text.trimEnd().split('\n'))
        assert.match(
          line,
          /^(# (HELP ghostkeep_\w+ .+|TYPE ghostkeep_\w+ gauge)|ghostkeep_\w+(\{[^}]+\})? \d+)$/,
        );
      assert.ok(text.endsWith('\n'));
      assert.equal(fs.statSync(file).mode & 0o777, 0o644);
    }
    // A reader that has the old file open still reads all of it: the new one was renamed over it.
    assert.equal(fs.readFileSync(`${folder}/old`, 'utf8'), 'old\n');
    assert.deepEqual(fs.readdirSync(folder).sort(), ['ghostkeep.prom', 'old']);
  });

  it('when node_exporter would not read a file of that name, or the folder is missing, scan --metrics says so', t => {
    const { status, stderr } = scan('--metrics', `${temporaryFolder(t)}/ghostkeep.txt`);
    assert.equal(status, 2);
    assert.match(stderr, /names that end in \.prom/);
    const missing = scan('--metrics', '/gk-none/x.prom');
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /cannot write metrics to \/gk-none\/x\.prom: ENOENT/);
  });
});

describe('the systemd units', () => {
  it('the systemd units pass systemd-analyze verify, and the service runs a command that works', t => {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0)
      return t.skip('not run: systemd-analyze is not installed');
    const folder = temporaryFolder(t);
    for (const name of ['ghostkeep-scan.service', 'ghostkeep-scan.timer']) {
      const text = fs.readFileSync(path.join(examples, name), 'utf8');
      fs.writeFileSync(`${folder}/${name}`, text.replace('/usr/local/bin/ghostkeep', command[0]));
    }
    const units = ['ghostkeep-scan.service', 'ghostkeep-scan.timer'].map(name => `${folder}/${name}`);
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
      encoding: 'utf8',
    });
    assert.deepEqual([status, stderr.split('\n').filter(line => line.includes('ghostkeep'))], [0, []]);

    const [, words = ''] =
      /^ExecStart=\/usr\/local\/bin\/ghostkeep (.*)$/m.exec(
        fs.readFileSync(path.join(examples, 'ghostkeep-scan.service'), 'utf8'),
      ) ?? [];
    const file = /\S+\.prom$/.exec(words)?.[0] ?? '';
    const args = words.replace(file, `${folder}/${path.basename(file)}`).split(' ');
    assert.deepEqual(ghostkeep(args), { status: 0, stdout: '', stderr: '' });
    assert.match(fs.readFileSync(`${folder}/${path.basename(file)}`, 'utf8'), /^ghostkeep_ghosts/m);
  });
});
