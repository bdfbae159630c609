import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertPermitted, withWishes } from '../../../src/oci/bounds.js';
import {
  annotationsAsk,
  optionsAsk,
  parseAnnotations,
  parseConfig,
  parseOption,
  resolvePolicy,
} from '../../../src/oci/policy.js';
import { ghostkeepError } from '../expect.js';

const config = (value: unknown) => parseConfig(JSON.stringify(value), '/etc/ghostkeep/config.json');
const annotations = (wishes: Record<string, string>) =>
  parseAnnotations(
    Object.fromEntries(Object.entries(wishes).map(([key, value]) => [`io.ghostkeep.${key}`, value])),
  );
const M = 1n << 20n;

describe("the host's bounds for annotations", () => {
  it('when config.json sets no bounds, annotations may set every key but allowMissing and closedShm, which only the host may set', () => {
    const wishes = annotations({
      enabled: 'false',
      limit: '5M',
      reserve: '32M',
      engine: 'read',
      verify: 'digest',
      warm: 'false',
    });
    assertPermitted({}, wishes, annotationsAsk);
    for (const [key, value] of [
      ['allowMissing', 'true'],
      ['closedShm', 'warn'],
    ] as const) {
      const missing = annotations({ [key]: value });
      assert.throws(() => assertPermitted({}, missing, annotationsAsk), ghostkeepError('BAD_POLICY', key));
      assertPermitted({ allow: [key] }, missing, annotationsAsk);
    }
    assert.deepEqual(resolvePolicy(withWishes({}, wishes)), {
      enabled: false,
      limit: 5n * M,
      reserve: 32n * M,
      engine: 'read',
      verify: 'digest',
      warm: false,
      allowMissing: false,
      closedShm: 'refuse',
      moveDeadlineMs: 10_000,
    });
  });

  const sizes: [string, object, string, bigint, string | undefined][] = [
    ['limit', { limit: '1G' }, '512M', 512n * M, undefined],
    ['limit', { limit: '1G' }, '1024M', 1024n * M, undefined],
    ['limit', { limit: '1G' }, '1073741825', 1024n * M, 'limit is "1073741825", it must be "1G" or less'],
    ['limit', { limit: 0 }, '1', 0n, 'limit is "1", it must be 0 or less'],
    ['reserve', { reserve: '1G' }, '2G', 2048n * M, undefined],
    ['reserve', { reserve: '1G' }, '0', 1024n * M, 'reserve is "0", it must be "1G" or more'],
    ['reserve', {}, '4096', 16n * M, 'reserve is "4096", it must be "16M" or more'],
    ['reserve', { reserve: 0 }, '4096', 4096n, undefined],
  ];
  for (const [key, host, value, resolved, refusal] of sizes)
    it(`when the host says ${JSON.stringify(host)} and ${key} is ${value}, the annotation is ${refusal ? 'refused' : 'accepted'}`, () => {
      const wishes = annotations({ [key]: value });
      if (refusal)
        assert.throws(
          () => assertPermitted(config(host), wishes, annotationsAsk),
          ghostkeepError('BAD_POLICY', `io.ghostkeep.${refusal}`),
        );
      else assertPermitted(config(host), wishes, annotationsAsk);
      assert.equal(resolvePolicy(withWishes(config(host), wishes))[key as 'limit' | 'reserve'], resolved);
    });

  it('when config.json lists which keys annotations may set, another key is refused by name and ignored in a session record', () => {
    const host = config({ allow: ['limit', 'warm'], engine: 'seek' });
    const wishes = annotations({ warm: 'false', engine: 'read' });
    assert.throws(
      () => assertPermitted(host, wishes, annotationsAsk),
      ghostkeepError(
        'BAD_POLICY',
        'io.ghostkeep.engine is "read", and the host\'s config.json allows only io.ghostkeep.limit, io.ghostkeep.warm',
      ),
    );
    const { engine, warm } = resolvePolicy(withWishes(host, wishes));
    assert.deepEqual([engine, warm], ['seek', false]);
    assert.throws(
      () => assertPermitted(config({ allow: [] }), wishes, annotationsAsk),
      ghostkeepError('BAD_POLICY', 'config.json allows no annotation'),
    );
  });

  it('when an annotation sets a key that only the host has, it is refused as an unknown key', () => {
    assert.throws(
      () => annotations({ allow: 'limit' }),
      ghostkeepError('BAD_POLICY', 'there is no key io.ghostkeep.allow, only io.ghostkeep.enabled, '),
    );
    assert.throws(
      () => config({ allow: ['allow'] }),
      ghostkeepError('BAD_POLICY', 'allow.0 is "allow", it must be one of "enabled", "limit"'),
    );
  });

  it('when a plugin option asks for too much, the message calls it a plugin option', () => {
    const refused = (host: unknown, option: string, reason: string) =>
      assert.throws(
        () => assertPermitted(config(host), parseOption(option), optionsAsk),
        ghostkeepError('BAD_POLICY', `cannot accept CRIU's plugin options: ghostkeep.${reason}`),
      );
    refused({ limit: '1G' }, 'limit=2G', 'limit is "2G", it must be "1G" or less');
    refused(
      {},
      'allowMissing=true',
      "allowMissing is true, and the host's config.json allows only ghostkeep.en",
    );
    refused({ allow: [] }, 'warm=false', "warm is false, and the host's config.json allows no plugin option");
    assertPermitted(config({ limit: '1G' }), parseOption('limit=512M'), optionsAsk);
  });
});
