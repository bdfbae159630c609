import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyMetadata } from '../../../../src/flows/restore/metadata.js';
import { aManifestGhost } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeHost } from '../../fake-host.js';

const ghost = aManifestGhost({
  uid: 1,
  gid: 2,
  mode: 0o106755,
  inodeFlags: 0xc0,
  xattrs: { 'user.a': Buffer.from([0, 255]).toString('base64'), 'user.empty': '' },
});

const trusted = { allowPrivileged: true };

/** The steps that are done to a descriptor, in order; `fails` maps the name of a step to what it throws. */
function recorder(fails: Record<string, unknown> = {}) {
  const host = fakeHost();
  const steps: string[] = [];
  const step = (name: string, ...values: unknown[]) => {
    if (name in fails) throw fails[name];
    steps.push([name, ...values].join(' '));
  };
  host.files.setOwner = (...values) => step('owner', ...values);
  host.files.setMode = (fd, mode) => step('mode', fd, mode.toString(8));
  host.engine.setXattr = (fd, name, value) => step(name.toString('latin1'), fd, value.toString('hex'));
  host.engine.setFlags = (...values) => step('flags', ...values);
  host.engine.setTimes = (...values) => step('times', ...values);
  return { host, steps };
}

describe('applyMetadata', () => {
  it('when everything is allowed, the owner is set before the mode, then the times, and the flags last', () => {
    const { host, steps } = recorder();
    assert.deepEqual(applyMetadata(host, 7, ghost, trusted), { missing: [], withheld: [] });
    assert.deepEqual(steps, [
      'owner 7 1 2',
      'user.a 7 00ff',
      'user.empty 7 ',
      'mode 7 6755',
      'times 7 1.000000001 2.000000002',
      'flags 7 192',
    ]);
  });

  it('when an attribute is refused, it is named with its errno and the other attributes are set', () => {
    const { host, steps } = recorder({ owner: errno('EPERM'), 'user.a': errno('ENOTSUP') });
    assert.deepEqual(applyMetadata(host, 7, ghost, trusted).missing, [
      'owner (EPERM)',
      'user.a (ENOTSUP)',
      'set-id bits (without its owner)',
    ]);
    assert.deepEqual(
      steps.map(line => line.split(' ')[0]),
      ['user.empty', 'mode', 'times', 'flags'],
    );
  });

  it('when applyMetadata is asked for some parts only, the other attributes are not changed', () => {
    const { host, steps } = recorder();
    applyMetadata(host, 7, ghost, { ...trusted, parts: ['xattrs', 'times'] });
    assert.deepEqual(
      steps.map(line => line.split(' ')[0]),
      ['user.a', 'user.empty', 'times'],
    );
  });

  const rights = {
    'security.capability': 'AQ==',
    'security.selinux': 'AQ==',
    'trusted.overlay.opaque': 'eQ==',
    'system.posix_acl_access': 'AQ==',
  };

  it('when the user does not vouch for the image, attributes that give rights are withheld, and each is named', () => {
    for (const fails of [{}, { owner: errno('EPERM') }]) {
      const { host, steps } = recorder(fails);
      const { withheld } = applyMetadata(host, 7, { ...ghost, xattrs: rights }, { allowPrivileged: false });
      assert.deepEqual(withheld, ['security.capability', 'trusted.overlay.opaque', 'set-id bits']);
      assert.deepEqual(
        steps.filter(step => /^(mode|security|trusted|system)/.test(step)),
        ['security.selinux 7 01', 'system.posix_acl_access 7 01', 'mode 7 755'],
      );
    }
  });

  it('when the user vouches for the image and the owner cannot be set, attributes that give rights are not set for another owner', () => {
    const { host, steps } = recorder({ owner: errno('EPERM') });
    const { missing } = applyMetadata(host, 7, { ...ghost, xattrs: rights }, trusted);
    assert.deepEqual(missing, [
      'owner (EPERM)',
      'security.capability (without its owner)',
      'trusted.overlay.opaque (without its owner)',
      'set-id bits (without its owner)',
    ]);
    assert.ok(steps.includes('mode 7 755'));
  });

  it('when a ghost is linked, it gets the owner that the host sees, because it lies in a folder of the host', () => {
    const { host, steps } = recorder();
    const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 1001, hostGid: 1002 };
    applyMetadata(host, 7, { ...ghost, linked }, trusted);
    assert.equal(steps[0], 'owner 7 1001 1002');
    assert.ok(!steps.some(line => line.startsWith('flags')), 'immutable, it would take no name');
  });

  it('when a ghost is linked, attributes that give rights are never set, and the result says so', () => {
    const { host, steps } = recorder();
    const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 0, hostGid: 0 };
    const xattrs = {
      'security.capability': 'AQ==',
      'security.selinux': '',
      'trusted.b': '',
      'user.security.c': '',
    };
    assert.deepEqual(applyMetadata(host, 7, { ...ghost, xattrs, linked }, trusted).missing, [
      'security.capability (never of a linked ghost)',
      'security.selinux (never of a linked ghost)',
      'trusted.b (never of a linked ghost)',
      'set-id bits (never of a linked ghost)',
    ]);
    assert.deepEqual(steps, [
      'owner 7 0 0',
      'user.security.c 7 ',
      'mode 7 755',
      'times 7 1.000000001 2.000000002',
    ]);
  });

  it('when a linked ghost has an xattr whose text and bytes differ, neither name is set', () => {
    const { host, steps } = recorder();
    const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 0, hostGid: 0 };
    const xattrs = { '\u0173ecurity.capability\u0100\udc80': 'AQ==' };
    assert.throws(
      () => applyMetadata(host, 7, { ...ghost, xattrs, linked }, trusted),
      ghostkeepError('BAD_INPUT'),
    );
    const odd = { ...ghost, xattrs: { 'security.\udcff': '' }, linked };
    const { missing: bytes } = applyMetadata(host, 7, odd, trusted);
    assert.match(bytes[0] as string, /^security\..* \(never/);
    assert.ok(!steps.some(step => step.includes('ecurity')));
  });

  it('when a call throws an error without an errno, that error is thrown, because it is a bug', () => {
    const { host } = recorder({ mode: new TypeError('bug') });
    assert.throws(() => applyMetadata(host, 7, ghost, trusted), TypeError);
  });
});
