/** Processes that end while they are looked at, and others that get their pids. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, isRoot, needs, temporaryFolder } from './ghostkeep.js';

interface Row {
  path: string;
  size: number;
  holders: { pid: number }[];
}

const source = fileURLToPath(new URL('storm.c', import.meta.url));

/**
 * The script ends by itself: the storm ends after some seconds, and all its processes end with its pid
 * namespace.
 */
const script = `
exec 9<>"$1/steady"
rm "$1/steady"
echo steady >&9
"$1/storm" "$1" "$2" 20 9<&- &
storm=$!
folder=$1
shift 2
for scan in 1 2 3; do
  "$@" scan --all --json >"$folder/scan-$scan.json" 2>"$folder/scan-$scan.txt"
  echo $? >>"$folder/status"
  kill -0 $storm || echo over >>"$folder/status"
done
kill $storm
`;

describe('scan, beside processes that come and go', () => {
  for (const processes of [2, 120])
    it(`when ${processes} processes at a time end and their pids are used again, scan succeeds and mixes no two of them up`, t => {
      if (!needs(t, isRoot, 'pids come again in a namespace of root’s')) return;
      const folder = temporaryFolder(t);
      execFileSync('cc', ['-Wall', '-Werror', '-D_GNU_SOURCE', '-o', `${folder}/storm`, source]);
      const around = ['--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', script, 'bash'];
      const args = [folder, String(processes), ...command];
      const { stderr } = spawnSync('unshare', [...around, ...args], { encoding: 'utf8', timeout: 60_000 });
      const said = [1, 2, 3].map(scan => fs.readFileSync(`${folder}/scan-${scan}.txt`, 'utf8')).join('');
      assert.equal(fs.readFileSync(`${folder}/status`, 'utf8'), '0\n0\n0\n', stderr + said);
      let seen = 0;
      for (const scan of [1, 2, 3]) {
        const { ghosts } = JSON.parse(fs.readFileSync(`${folder}/scan-${scan}.json`, 'utf8')) as {
          ghosts: Row[];
        };
        const ours = ghosts.filter(({ path }) => path.startsWith(`${folder}/`));
        assert.equal(ours.filter(({ path }) => path === `${folder}/steady`).length, 1);
        for (const { path, size, holders } of ours) {
          const [, pid, number] = /\/storm-(\d+)-(\d+)$/.exec(path) ?? [];
          if (pid === undefined) continue;
          seen += 1;
          assert.deepEqual([path, holders.map(holder => holder.pid)], [path, [Number(pid)]]);
          assert.deepEqual([path, size], [path, Number(number)]);
        }
      }
      assert.ok(seen > 0, 'no process of the storm was seen');
    });
});
