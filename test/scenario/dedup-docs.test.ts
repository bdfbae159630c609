/** The commands of docs/history.md that free what was replaced, as they stand there. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, temporaryFolder } from './ghostkeep.js';
import { run } from './loop-device.js';

const page = fileURLToPath(new URL('../../docs/history.md', import.meta.url));
const block = /<!-- run by [^>]*dedup-docs\.test\.ts[^>]* -->\n```sh\n([^`]*)```/;

describe('docs/history.md', () => {
  it('the commands that docs/history.md shows free what a child has replaced', t => {
    const folder = temporaryFolder(t);
    const fd = fs.openSync(`${folder}/ghost`, 'wx+');
    t.after(() => fs.closeSync(fd));
    fs.unlinkSync(`${folder}/ghost`);
    const content = randomBytes(1 << 20);
    fs.writeSync(fd, content);
    fs.mkdirSync(`${folder}/backup`);
    const commands = block.exec(fs.readFileSync(page, 'utf8'))?.[1]?.trim().split('\n') ?? [];
    assert.equal(commands.length, 7);
    const said = commands.map((line, index) => {
      // Something is replaced from one day to the next.
      fs.writeSync(fd, Buffer.of(index), 0, 1, index << 16);
      const words = line
        .replaceAll(/(?<= )\/(backup|restore)/g, `${folder}/$1`)
        .replace('4711', String(process.pid))
        .replace('ghostkeep', command.join(' '));
      return run('sh', '-c', words);
    });
    assert.match(said[2] as string, /64 KiB would be free|68 KiB would be free/);
    assert.match(said[3] as string, /monday: 1 ghost gave up 64 KiB of data here/);
    assert.match(said[4] as string, /monday: 1 ghost gave up 192 KiB of data here, 192 KiB are free/);
    assert.match(said[6] as string, /of layers are free/);
    const now = fs.readFileSync(`${folder}/restore/ghost-1`);
    for (let changed = 0; changed < 5; changed += 1) content[changed << 16] = changed;
    assert.ok(now.equals(content), 'the file is what it was on wednesday');
  });
});
