import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';

const program = `
  import fs from 'node:fs';
  import { exitAtOnce } from './src/host/native/libc.ts';
  fs.read(0, Buffer.alloc(1), 0, 1, null, () => {});
  setTimeout(() => { fs.writeSync(1, 'last words'); exitAtOnce(3); }, 100);
`;

it('when a thread hangs in a read, exitAtOnce still ends the process', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  const [said] = await once(child.stdout, 'data');
  const [status, signal] = await once(child, 'exit');
  assert.deepEqual([String(said), status, signal], ['last words', 3, null]);
  child.stdin.end();
});
