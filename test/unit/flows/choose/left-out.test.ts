import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import { assertNothingMissing } from '../../../../src/flows/choose/left-out.js';
import { dumpGhosts } from '../../../../src/flows/dump/dump.js';
import { scan } from '../../../../src/flows/scan/scan.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { ghostkeepError } from '../../expect.js';
import { type FakeProcess, fakeContext, fakeFile, fakeHost, opened } from '../../fake-host.js';

const images = '/img';
const ghost = opened(fakeFile({ ino: 1n }), '/data/tmp (deleted)');
/** A removed file on a mount that is in no mountinfo. */
const internal = (name: string, ino: bigint) => opened(fakeFile({ ino }), `${name} (deleted)`, { mount: 5 });
const inFlight = 'pos:\t0\nflags:\t02\nmnt_id:\t10\nino:\t1\nscm_fds: 1\n';

function machine(process: FakeProcess) {
  const context = fakeContext(fakeHost());
  context.host.processes.add(100, process);
  context.host.files.folders.add(images);
  return context;
}

const request = (criu = false, allowMissing = false) => ({
  images,
  pids: [100],
  policy: resolvePolicy({ allowMissing }),
  criu,
});

async function sealed(context: ReturnType<typeof machine>, allowMissing = false): Promise<Manifest> {
  await dumpGhosts(context, request(false, allowMissing));
  return sealImages(context, images, { durable: true }).manifest;
}

const missing = ({ leftOut = [] }: Manifest) => leftOut.map(({ what, path, why }) => ({ what, path, why }));

describe('what a dump without CRIU leaves out', () => {
  it('a file that a dump without CRIU leaves out is listed in the manifest and warned of with its reason; the other ghosts are dumped', async () => {
    const context = machine({
      fds: { 3: ghost },
      maps: [{ address: '7f00-8f00', opened: internal('/SYSV00000000', 2n) }],
      fdInfo: { 8: inFlight },
    });
    const manifest = await sealed(context);
    assert.deepEqual(
      manifest.ghosts.map(({ ino }) => ino),
      [1],
    );
    const [shm, flight, ...more] = manifest.leftOut ?? [];
    assert.deepEqual(more, []);
    assert.deepEqual(
      [shm?.pid, shm?.what, shm?.path, shm?.ino, shm?.size],
      [100, 'map_files 7f00-8f00', '/SYSV00000000', 2, 5],
    );
    assert.match(shm?.why ?? '', /SysV shared memory/);
    assert.deepEqual([flight?.what, flight?.inside], ['fd 8', 'unix socket']);
    const warnings = context.lines.filter(line => line.startsWith('warn not in the dump: '));
    assert.equal(warnings.length, 2);
    assert.match(warnings[0] ?? '', /map_files 7f00-8f00 of process 100 \(\/SYSV00000000\): .*SysV/);
  });

  it('a file that is left out makes the dump fail, unless allowMissing or --allow-missing permits it', async () => {
    const manifest = await sealed(machine({ fdInfo: { 8: inFlight } }));
    assert.equal(manifest.state, 'sealed');
    assert.throws(
      () => assertNothingMissing(manifest, images, resolvePolicy()),
      ghostkeepError(
        'GHOST_LEFT_OUT',
        'fd 8 of process 100',
        '--allow-missing',
        'allowMissing',
        'show -D /img',
      ),
    );
    assertNothingMissing(manifest, images, resolvePolicy({ allowMissing: true }));
    assertNothingMissing(await sealed(machine({ fds: { 3: ghost } })), images, resolvePolicy());
  });

  it('the list of files left out has no directories, FIFOs and devices, because they have no content', async () => {
    const of = (mode: number, ino: bigint) => opened(fakeFile({ mode, ino }), '/x (deleted)');
    const fds = { 3: of(0o40755, 1n), 4: of(0o10600, 2n), 5: of(0o20600, 3n), 6: of(0o60600, 4n) };
    assert.equal((await sealed(machine({ fds }))).leftOut, undefined);
  });

  it('the list of files left out has a removed symbolic link, because its target is its content', async () => {
    const fds = { 3: opened(fakeFile({ mode: 0o120777 }), '/link (deleted)') };
    assert.deepEqual(
      missing(await sealed(machine({ fds }))).map(({ path }) => path),
      ['/link'],
    );
  });

  it('the list of files left out has no linked ghost whose names stay', async () => {
    const file = fakeFile({ nlink: 1 });
    const manifest = await sealed(
      machine({ fds: { 3: opened(file, '/old (deleted)') }, inRoot: { '/new': file } }),
    );
    assert.deepEqual([manifest.ghosts, manifest.leftOut], [[], undefined]);
  });

  it('a ghost that cannot be opened is left out, and the others are dumped; a holder that has ended fails the dump', async () => {
    const fds = { 3: ghost, 4: opened(fakeFile({ ino: 2n }), '/other (deleted)') };
    const context = machine({ fds, fails: { 'pin fd/4': 'EACCES' } });
    const manifest = await sealed(context);
    assert.equal(manifest.ghosts.length, 1);
    assert.deepEqual(
      missing(manifest).map(({ what, path }) => [what, path]),
      [['fd 4', '/other']],
    );
    assert.match(manifest.leftOut?.[0]?.why ?? '', /EACCES/);
    assert.equal(context.host.processes.pins.size, 0);
    for (const gone of ['ENOENT', 'EMFILE'])
      await assert.rejects(
        dumpGhosts(machine({ fds, fails: { 'pin fd/4': gone } }), request()),
        gone === 'EMFILE' ? ghostkeepError('IO') : ghostkeepError('HOLDER_GONE', '`ghostkeep dump --freeze`'),
      );
  });

  it('files that could not be looked at fail a dump without CRIU, or are left out if that is allowed', async () => {
    const process = { fds: { 3: ghost, 4: ghost }, fails: { 'stat fd/4': 'EIO' } };
    await assert.rejects(
      dumpGhosts(machine(process), request()),
      ghostkeepError('GHOST_UNREADABLE', 'fd 4', '--allow-missing'),
    );
    const manifest = await sealed(machine(process), true);
    assert.deepEqual([manifest.ghosts.length, missing(manifest).map(({ what }) => what)], [1, ['fd 4']]);
  });

  it('shared memory is left out and listed once for all who share it, even if its mappings may not be looked at', async () => {
    const maps = [{ address: '7f00-8f00', opened: internal('/dev/zero', 2n) }];
    const fails = { 'stat map_files/7f00-8f00': 'EPERM' };
    const context = machine({ fds: { 3: ghost }, maps, fails });
    context.host.processes.add(200, { maps, fails });
    await dumpGhosts(context, { ...request(), pids: [100, 200] });
    const { leftOut = [] } = sealImages(context, images, { durable: true }).manifest;
    assert.deepEqual(
      leftOut.map(({ pid, what, path, why }) => [pid, what, path, why]),
      [[100, 'map_files 7f00-8f00', '/dev/zero', 'anonymous shared memory']],
    );
  });

  it('an aio ring is left out and listed, although the kernel shows it as a file of no type', async () => {
    const ring = (name: string, ino: bigint) =>
      opened(fakeFile({ ino, mode: 0o600, nlink: 1 }), `${name} (deleted)`, { mount: 5 });
    const maps = [
      { address: '7f00-8f00', opened: ring('/[aio]', 2n) },
      { address: '8f00-9f00', opened: ring('/other', 3n) },
    ];
    assert.deepEqual(missing(await sealed(machine({ maps }))), [
      { what: 'map_files 7f00-8f00', path: '/[aio]', why: 'an aio ring' },
    ]);
  });

  it('files left out beyond the entries that the manifest has room for are only counted', async () => {
    const maps = Array.from({ length: 5000 }, (_, n) => ({
      address: `${n}000-${n}fff`,
      opened: internal('/dev/zero', BigInt(n + 1)),
    }));
    const context = machine({ maps });
    const manifest = await sealed(context);
    assert.deepEqual([manifest.leftOut?.length, manifest.leftOutMore], [4096, 904]);
    assert.throws(
      () => assertNothingMissing(manifest, images, resolvePolicy()),
      ghostkeepError('GHOST_LEFT_OUT', 'and 4999 more'),
    );
    assert.equal(context.lines.filter(line => line.startsWith('warn')).length, 1);
  });

  it('a file left out with a hostile name has its bytes in the manifest, and only printable characters in the log', async () => {
    const context = machine({ fds: { 3: opened(fakeFile({ mode: 0o120777 }), '/a\u001b\n (deleted)') } });
    const { leftOut: [link] = [] } = await sealed(context);
    assert.deepEqual(
      [link?.path, link?.pathBytes],
      ['/a\\x1b\\x0a', Buffer.from('/a\u001b\n').toString('base64')],
    );
    assert.match(context.lines.join(), /\/a\\x1b\\x0a/);
  });
});

describe('a file inside a unix socket or a ring', () => {
  it('in a checkpoint, files inside sockets and rings are left to CRIU: no fdinfo is read while the container is frozen', async () => {
    const context = machine({ fds: { 3: ghost }, fdInfo: { 8: inFlight } });
    const { journal } = await dumpGhosts(context, request(true));
    assert.deepEqual([context.host.processes.fdInfosRead, journal.leftOut], [[], undefined]);
  });

  it('scan reports a file inside a unix socket as not seen', () => {
    const { unseen } = scan(machine({ fds: { 3: ghost }, fdInfo: { 8: inFlight } }), { pids: [100] });
    assert.deepEqual(
      unseen.map(({ pid, what, inside }) => [pid, what, inside]),
      [[100, 'fd 8', 'unix socket']],
    );
  });
});
