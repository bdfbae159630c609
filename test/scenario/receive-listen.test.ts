/** `receive --listen`: sockets, certificates, and what is refused. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import type { ReceiveLine } from '../../src/base/documents/generated/receive-line.js';
import { type Answer, parseAnswers } from '../unit/move-stream.js';
import { command, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { dumpStream, imagesStream, type Source, sourceOf } from './moved.js';

const [program, ...words] = command;
const manifestName = 'ghostkeep-manifest.json';

interface Listener {
  at: string;
  child: ChildProcess;
  ended: Promise<number | null>;
}

async function listen(t: TestContext, images: string, ...args: string[]): Promise<Listener> {
  const child = spawn(program, [...words, 'receive', '-D', images, '--status-fd', '3', ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = new Promise<number | null>(resolve => child.on('close', resolve));
  const [said, status] = await Promise.all(
    [child.stdout, child.stdio[3] as net.Socket].map(
      stream => new Promise<string>(resolve => stream?.once('data', data => resolve(String(data)))),
    ),
  );
  assert.equal(status, '\0');
  const [, at] = /^listening on (.+)\n$/.exec(said as string) ?? [];
  assert.ok(at, said);
  return { at, child, ended };
}

/** Send all on SOCKET, and read to the end. */
function talk(socket: net.Socket, bytes: Buffer): Promise<Answer[]> {
  return new Promise((resolve, reject) => {
    const heard: Buffer[] = [];
    socket.on('data', data => heard.push(data));
    socket.on('error', reject);
    socket.on('close', () => {
      try {
        resolve(parseAnswers(Buffer.concat(heard)));
      } catch (error) {
        reject(error);
      }
    });
    socket.end(bytes);
  });
}

const portOf = (at: string) => Number(at.split(':').at(-1));

async function moveAll({ ghosts, manifest }: Source, connect: () => net.Socket): Promise<void> {
  assert.equal((await talk(connect(), dumpStream(ghosts).bytes())).at(-1)?.type, 'committed');
  const files = imagesStream(ghosts, { [manifestName]: manifest }).bytes();
  assert.equal((await talk(connect(), files)).at(-1)?.type, 'sealed');
}

/** An authority, and a certificate of it for NAME. */
function certificates(folder: string, name: string): { ca: string; cert: string; key: string } {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: folder });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = `${folder}/ca.pem`;
  if (!fs.existsSync(ca))
    openssl(
      'req',
      '-x509',
      ...curve,
      '-keyout',
      'ca-key.pem',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=authority',
      '-days',
      '2',
    );
  openssl('req', ...curve, '-keyout', `${name}-key.pem`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  fs.writeFileSync(`${folder}/names`, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca-key.pem',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    `${name}.pem`,
  );
  return { ca, cert: `${folder}/${name}.pem`, key: `${folder}/${name}-key.pem` };
}

const smallSource = (t: TestContext) => sourceOf(t, [Buffer.alloc(2_000_003, 5), Buffer.from('small')]);

describe('a receiver that listens', () => {
  it('a receiver that listens says in lines of JSON on stderr where it listens, and how each connection ended', async t => {
    const folder = temporaryFolder(t);
    const images = `${folder}/images`;
    const at = `${folder}/socket`;
    const child = spawn(program, [...words, 'receive', '-D', images, '--listen', at, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    const ended = new Promise<number | null>(resolve => child.on('close', resolve));
    while (!said.stderr.includes('\n')) await sleep(20);
    await moveAll(smallSource(t), () => net.connect(at));
    assert.equal(await ended, 0);
    assert.deepEqual(
      said.stderr
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as ReceiveLine),
      [
        { message_type: 'listening', address: at },
        { message_type: 'summary', images, ghosts: 2, sealed: false },
        { message_type: 'summary', images, ghosts: 2, sealed: true },
      ],
    );
    assert.equal(said.stdout, '');
  });

  it('a receiver that listens takes connections on a unix socket of its own user, until the directory is sealed', async t => {
    const folder = temporaryFolder(t);
    // A socket that a listener has left behind.
    const left = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen('${folder}/socket', () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    await new Promise(resolve => left.on('close', resolve));
    assert.ok(fs.existsSync(`${folder}/socket`));
    const { at, ended } = await listen(t, `${folder}/images`, '--listen', `${folder}/socket`);
    assert.equal(at, `${folder}/socket`);
    assert.equal(fs.statSync(at).mode & 0o777, 0o600);
    const taken = ghostkeep(['receive', '-D', `${folder}/other`, '--listen', at]);
    assert.match(taken.stderr, /another program does.*\[IN_USE\]/);
    await moveAll(smallSource(t), () => net.connect({ path: at, allowHalfOpen: true }));
    assert.equal(await ended, 0);
    assert.equal(fs.existsSync(at), false);
    assert.equal(ghostkeep(['verify', `${folder}/images`]).status, 0);
  });

  it('a receiver that listens takes the next connection of a sender whose last one broke without a sign', async t => {
    const folder = temporaryFolder(t);
    const { at } = await listen(t, `${folder}/images`, '--listen', '127.0.0.1:0');
    const connect = () => net.connect({ host: '127.0.0.1', port: portOf(at), allowHalfOpen: true });
    const { ghosts } = smallSource(t);
    const bytes = dumpStream(ghosts).bytes();
    const broken = connect();
    t.after(() => broken.destroy());
    broken.on('error', () => {});
    const welcome = new Promise(resolve => broken.once('data', resolve));
    broken.write(bytes.subarray(0, 1_000_000));
    await welcome;
    const early = (await talk(connect(), bytes)).at(-1);
    assert.equal(early?.message?.['code'], 'IN_USE', 'a sender that may live keeps the directory');
    await sleep(2000);
    assert.equal((await talk(connect(), bytes)).at(-1)?.type, 'committed');
  });

  it('a receiver that fails tells the sender why, also while the sender still sends', async t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/images`);
    fs.writeFileSync(`${folder}/images/inventory.img`, '');
    const { at } = await listen(t, `${folder}/images`, '--listen', '127.0.0.1:0');
    const connect = () => net.connect({ host: '127.0.0.1', port: portOf(at), allowHalfOpen: true });
    const large = sourceOf(t, [Buffer.alloc(8 << 20, 3)]);
    const [answer] = (await talk(connect(), dumpStream(large.ghosts).bytes())).slice(-1);
    assert.equal(answer?.message?.['code'], 'BAD_INPUT');
  });

  it('a receiver with TLS speaks only to those whom its authority has given a certificate', async t => {
    const folder = temporaryFolder(t);
    const server = certificates(folder, 'server');
    const client = certificates(folder, 'client');
    const { at, ended, child } = await listen(
      t,
      `${folder}/images`,
      ...['--listen', '127.0.0.1:0', '--tls', '--tls-cacert', server.ca, '--tls-cert', server.cert],
      ...['--tls-key', server.key],
    );
    child.stderr?.resume();
    const port = portOf(at);
    const ca = fs.readFileSync(server.ca);
    const source = smallSource(t);
    const bytes = dumpStream(source.ghosts).bytes();
    const strange = `${folder}/strange`;
    fs.mkdirSync(strange);
    const stranger = certificates(strange, 'client');
    const own = (of: typeof client) => ({ cert: fs.readFileSync(of.cert), key: fs.readFileSync(of.key) });
    const refused = { nobody: {}, stranger: own(stranger) };
    for (const [who, options] of Object.entries(refused)) {
      const answers = await talk(tls.connect({ host: '127.0.0.1', port, ca, ...options }), bytes).catch(
        () => [],
      );
      assert.deepEqual(answers, [], who);
    }
    const plain = await talk(net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }), bytes).catch(
      () => [],
    );
    assert.deepEqual(plain, []);
    const began = performance.now();
    const sent = ghostkeep(['pre-dump', '--pid', String(process.pid), '--to', `127.0.0.1:${port}`]);
    assert.match(sent.stderr, /the other side ended before it said what it is/);
    assert.ok(performance.now() - began < 20_000, 'a sender without TLS had to wait for the answer');
    assert.equal(fs.existsSync(`${folder}/images`), false, 'no receiver was started');
    await moveAll(source, () =>
      tls.connect({
        host: '127.0.0.1',
        port,
        ca,
        ...own(client),
        allowHalfOpen: true,
      } as tls.ConnectionOptions),
    );
    assert.equal(await ended, 0);
    assert.equal(ghostkeep(['verify', `${folder}/images`]).status, 0);
  });

  it('receive refuses to listen at a port that others can reach, unless --tls or --insecure is given', t => {
    const folder = temporaryFolder(t);
    const run = (...args: string[]) => ghostkeep(['receive', '-D', folder, ...args]);
    for (const address of ['0.0.0.0:0', '[::]:0', '192.0.2.1:7000', 'example.org:7000'])
      assert.match(run('--listen', address).stderr, /give --tls, or --insecure.*\[USAGE\]/);
    for (const address of ['7000', 'host', 'a:b', 'host:99999'])
      assert.match(run('--listen', address).stderr, /it must be HOST:PORT.*\[USAGE\]/);
    assert.match(run('--tls').stderr, /--tls needs --listen.*\[USAGE\]/);
    assert.match(
      run('--listen', '127.0.0.1:0', '--tls', '--tls-cacert', `${folder}/no`).stderr,
      /--tls-cacert names.*\[IO\]/,
    );
    assert.match(run('--dump').stderr, /takes no --images-dir.*\[USAGE\]/);
  });
});
