/**
 * docs/when-it-fails.md: what its blocks show is what the commands print. GHOSTKEEP_WRITE=1 writes the page anew
 * with today's messages.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { command, isRoot, needs, program, temporaryFolder } from './ghostkeep.js';

const top = path.dirname(path.dirname(program));
const page = `${top}/docs/when-it-fails.md`;
const block = /^```console\n([\s\S]*?)^```$/gm;
const scenarios = fs.readdirSync(`${top}/test/lab/guest/scenarios`);

/** Numbers and folders differ from run to run, and each JavaScript runtime has its own words for bad JSON. */
const withoutNumbers = (text: string) =>
  text
    .replace(/\/\S*\/gk-\w+/g, '/srv/web')
    .replace(/\d+(\.\d+)?/g, 'N')
    .replace(/not JSON \(.*\)/g, 'not JSON');

describe('docs/when-it-fails.md', () => {
  it('docs/when-it-fails.md shows what the commands print', { timeout: 240_000 }, t => {
    if (!needs(t, isRoot, 'messages of root are shown')) return;
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/bin`);
    const words = command.map(word => `'${word}'`).join(' ');
    fs.writeFileSync(`${folder}/bin/ghostkeep`, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const hold = 'exec 5<>held; rm held; head -c 2000000 /dev/urandom >&5; echo $$; exec sleep 600';
    const pid = spawnSync(
      'sh',
      ['-c', `sh -c '${hold}' >pid 2>/dev/null & while [ ! -s pid ]; do sleep 0.05; done; cat pid`],
      { cwd: folder, encoding: 'utf8' },
    ).stdout.trim();
    t.after(() => process.kill(Number(pid), 'SIGKILL'));
    const env = { ...process.env, PATH: `${folder}/bin:${process.env['PATH']}`, pid };
    const text = fs.readFileSync(page, 'utf8');
    const fresh = text.replaceAll(block, (_, shown: string) => {
      const commands = shown.split('\n').filter(line => line.startsWith('$ '));
      const printed = commands.flatMap(line => {
        const { stdout } = spawnSync('sh', ['-c', `{ ${line.slice(2)}; } 2>&1`], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        return [line, ...stdout.replaceAll(fs.realpathSync(folder), '/srv/web').split('\n').filter(Boolean)];
      });
      return `\`\`\`console\n${printed.join('\n')}\n\`\`\``;
    });
    if (process.env['GHOSTKEEP_WRITE']) fs.writeFileSync(page, fresh);
    assert.equal(withoutNumbers(fresh), withoutNumbers(fs.readFileSync(page, 'utf8')));
  });

  it('every scenario that the page names is in the lab', () => {
    const named = [...fs.readFileSync(page, 'utf8').matchAll(/\| `(\d\d-[\w-]+)` \|/g)].map(
      ([, name]) => name,
    );
    assert.ok(named.length > 5);
    for (const name of named) assert.ok(scenarios.includes(`${name}.sh`), name);
  });
});
