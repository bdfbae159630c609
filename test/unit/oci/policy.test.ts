import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAnnotations, parseConfig, parseOption, resolvePolicy } from '../../../src/oci/policy.js';
import { ghostkeepError } from '../expect.js';

const config = (value: unknown) => parseConfig(JSON.stringify(value), '/etc/ghostkeep/config.json');

describe('policy', () => {
  it('when neither config.json nor an annotation sets a key, the policy has the defaults', () => {
    assert.deepEqual(resolvePolicy(), {
      enabled: true,
      limit: undefined,
      reserve: 16n << 20n,
      engine: 'auto',
      verify: 'structure',
      warm: true,
      allowMissing: false,
      closedShm: 'refuse',
      moveDeadlineMs: 10_000,
    });
  });

  it('when every key is given, the policy has all of them', () => {
    assert.deepEqual(
      resolvePolicy(
        config({
          enabled: false,
          limit: '1G',
          reserve: 4096,
          engine: 'seek',
          verify: 'digest',
          warm: false,
          allowMissing: true,
          closedShm: 'refuse',
          moveDeadline: 3,
        }),
      ),
      {
        enabled: false,
        limit: 1n << 30n,
        reserve: 4096n,
        engine: 'seek',
        verify: 'digest',
        warm: false,
        allowMissing: true,
        closedShm: 'refuse',
        moveDeadlineMs: 3000,
      },
    );
  });

  it("when both config.json and annotations set a key, the annotation's value applies", () => {
    const annotations = parseAnnotations({
      'io.ghostkeep.limit': '5M',
      'io.ghostkeep.enabled': 'true',
      'io.ghostkeep.warm': 'false',
      'org.criu.config': '/x',
    });
    const policy = resolvePolicy(config({ enabled: false, limit: 1, engine: 'read' }), annotations);
    assert.equal(policy.enabled, true);
    assert.equal(policy.warm, false);
    assert.equal(policy.limit, 5n << 20n);
    assert.equal(policy.engine, 'read');
  });

  it('when closedShm is not given, allowMissing decides about it', () => {
    assert.equal(resolvePolicy({ allowMissing: true }).closedShm, 'warn');
    assert.equal(resolvePolicy({ closedShm: 'warn' }).closedShm, 'warn');
    assert.deepEqual(parseAnnotations({ 'io.ghostkeep.closedShm': 'warn' }), { closedShm: 'warn' });
    assert.throws(
      () => config({ closedShm: true }),
      ghostkeepError('BAD_POLICY', 'closedShm is true, it must be one of "refuse", "warn"'),
    );
  });

  it('when a limit is 0, it is a limit of 0 and not no limit', () => {
    assert.equal(resolvePolicy(config({ limit: 0 })).limit, 0n);
  });

  it('when a key is unknown, the error names the key and the known keys', () => {
    assert.throws(
      () => config({ limits: 1 }),
      ghostkeepError(
        'BAD_POLICY',
        '/etc/ghostkeep/config.json: there is no key limits, only enabled, limit, reserve',
      ),
    );
    for (const key of ['engines', '__proto__', 'constructor', '', 'moveTo', 'moveDeadline'])
      assert.throws(
        () => parseAnnotations(Object.fromEntries([[`io.ghostkeep.${key}`, 'x']])),
        ghostkeepError('BAD_POLICY', `there is no key io.ghostkeep.${key}, only io.ghostkeep.enabled, `),
      );
  });

  it('when a value is bad, the error names the key, the value and the allowed values', () => {
    const size = 'a whole number of bytes, K, M, G or T, such as 4096, "64M", "2G"';
    const cases: [string, unknown, string][] = [
      ['engine', 'dd', 'one of "auto", "fiemap", "seek", "read"'],
      ['verify', 'sha', 'one of "structure", "digest"'],
      ['enabled', 'yes', 'true or false'],
      ['limit', '5m', size],
      ['limit', -5, '0 or more'],
      ['limit', 1e21, '9007199254740991 or less'],
      ['reserve', 1.5, size],
      ['reserve', '99999999999999999999', size],
      ['reserve', null, size],
    ];
    for (const [key, value, allowed] of cases)
      assert.throws(
        () => resolvePolicy(config({ [key]: value })),
        ghostkeepError(
          'BAD_POLICY',
          `cannot accept /etc/ghostkeep/config.json: ${key} is ${JSON.stringify(value)}, it must be ${allowed}`,
        ),
        `${key}=${String(value)}`,
      );
  });

  it('when an annotation is bad, the error calls it an annotation', () => {
    assert.throws(
      () => parseAnnotations({ 'io.ghostkeep.enabled': 'yes' }),
      ghostkeepError('BAD_POLICY', 'io.ghostkeep.enabled is "yes", it must be true or false'),
    );
    assert.throws(
      () => parseAnnotations({ 'io.ghostkeep.engine': 'dd' }),
      ghostkeepError(
        'BAD_POLICY',
        'container\'s annotations: io.ghostkeep.engine is "dd", it must be one of',
      ),
    );
  });

  it('when CRIU gives us a plugin option, it is read like an annotation', () => {
    assert.deepEqual(parseOption('warm=false'), { warm: false });
    assert.deepEqual(parseOption('limit=5M'), { limit: '5M' });
    const cases: [string, string][] = [
      ['warm', 'ghostkeep.warm has no value; expected: ghostkeep.KEY=VALUE'],
      ['warm=', 'ghostkeep.warm is "", it must be true or false'],
      ['warm=no', 'ghostkeep.warm is "no", it must be true or false'],
      ['limit=a=b', 'ghostkeep.limit is "a=b", it must be a whole number of bytes'],
      ['=1', 'there is no key ghostkeep., only ghostkeep.enabled, '],
      ['allow=x', 'there is no key ghostkeep.allow, only ghostkeep.enabled, '],
      ['__proto__=x', 'there is no key ghostkeep.__proto__, only ghostkeep.enabled, '],
      [`${'k'.repeat(4000)}`, `ghostkeep.${'k'.repeat(80)} has no value`],
    ];
    for (const [option, reason] of cases)
      assert.throws(
        () => parseOption(option),
        ghostkeepError('BAD_POLICY', `cannot accept CRIU's plugin options: ${reason}`),
      );
  });
});
