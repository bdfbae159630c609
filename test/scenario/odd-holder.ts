/** Processes that hold a ghost in an odd place, in mount namespaces of their own. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { showId } from '../../src/base/text/ghost-id.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { verify } from '../../src/flows/restore/verify.js';
import { flows, ghostkeep, program, temporaryFolder } from './ghostkeep.js';

export const content = randomBytes(300_001);

export interface Holder {
  pid: number;
  folder: string;
}

/**
 * Runs SCRIPT in a separate mount namespace, in a folder with the content in `source`. The process then goes
 * on holding the files that it opened.
 * @param around a program that runs the shell, instead of the namespace
 */
export async function holder(
  t: TestContext,
  script: string,
  around: readonly string[] = ['unshare', '--mount', '--propagation', 'private'],
): Promise<Holder> {
  const folder = temporaryFolder(t);
  fs.writeFileSync(`${folder}/source`, content);
  const [command, ...words] = [...around, 'bash', '-ec', `${script}\necho ready\nexec sleep 600`];
  const child = spawn(command as string, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  // This also kills all processes that the child has started. One that holds the pipe would keep our process
  // from ending.
  t.after(() => process.kill(-(child.pid as number), 'SIGKILL'));
  await new Promise((resolve, reject) => {
    // Programs in the script may print lines, too.
    let said = '';
    child.stdout.on('data', text => {
      said += text;
      if (/^ready$/m.test(said)) resolve(undefined);
    });
    child.once('exit', status => reject(new Error(`the holder ended with ${status}`)));
  });
  return { pid: child.pid as number, folder };
}

const source = path.join(path.dirname(program), '../test/scenario/odd-holder.c');

/** A command for SCRIPT of holder(); odd-holder.c lists the ways. */
export function oddly(t: TestContext, how: string): string {
  const built = path.join(temporaryFolder(t), 'odd-holder');
  const { status, stderr } = spawnSync('cc', ['-Wall', '-Werror', '-o', built, source], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return `exec ${built} ${how} source`;
}

/**
 * Dumps PIDS without CRIU, and checks that all their ghosts come back with the content.
 * @returns their entries in the manifest
 */
export async function comesBack(
  { folder }: Pick<Holder, 'folder'>,
  pids: readonly number[],
  wanted: readonly Buffer[] = [content],
): Promise<Manifest['ghosts']> {
  const images = `${folder}/images`;
  const targets = pids.flatMap(each => ['--pid', String(each)]);
  const dump = ghostkeep(['dump', ...targets, '-D', images, '--json']);
  assert.equal(dump.status, 0, dump.stderr);
  const { ghosts } = JSON.parse(dump.stdout) as Manifest;
  assert.deepEqual((await verify(flows(), images)).damage, []);
  await restoreGhosts(flows(), { images, to: `${folder}/back` });
  const back = ghosts.map(({ id }) => fs.readFileSync(`${folder}/back/ghost-${showId(id)}`));
  assert.equal(back.length, wanted.length);
  for (const [index, bytes] of back.entries())
    assert.ok(bytes.equals(wanted[index] as Buffer), 'other bytes came back');
  return ghosts;
}
