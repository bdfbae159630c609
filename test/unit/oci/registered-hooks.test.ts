import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GhostkeepError } from '../../../src/base/errors.js';
import { registerHooks, type Stanza } from '../../../src/oci/registered-hooks.js';
import { ghostkeepError } from '../expect.js';

const stanzaAt = (prefix: string, stage: 'prestart' | 'createRuntime' = 'prestart'): Stanza => {
  const hook = (name: string) => ({
    path: `${prefix}/libexec/ghostkeep/hook`,
    args: ['hook', name, `${prefix}/libexec/ghostkeep/${name}`],
    timeout: 30,
  });
  return { [stage]: [hook('prestart')], poststop: [hook('poststop')] };
};
const stanza = stanzaAt('/usr');
const foreign = { path: '/usr/bin/nvidia-container-runtime-hook', args: ['x', 'prestart'] };
const bare = `{
\t"ociVersion": "1.0.2",
\t"process": {
\t\t"rlimits": [
\t\t\t{
\t\t\t\t"type": "RLIMIT_AS",
\t\t\t\t"hard": 18446744073709551615
\t\t\t}
\t\t]
\t}
}
`;
const hooksIn = (text: string) => JSON.parse(text).hooks;

describe('registerHooks', () => {
  it('registerHooks adds the hooks and changes nothing else, numbers that JavaScript cannot hold included', () => {
    const text = registerHooks(bare, 'config.json', stanza);
    assert.deepEqual(hooksIn(text), stanza);
    assert.match(text, /\n\t\t\t\t"hard": 18446744073709551615\n/);
    assert.equal(registerHooks(text, 'config.json', {}), bare);
  });

  it('registerHooks leaves a text alone that has these hooks already', () => {
    const text = registerHooks(bare, 'config.json', stanza).replaceAll('\t', ' ');
    assert.equal(registerHooks(text, 'config.json', stanza), text);
    assert.equal(registerHooks(bare, 'config.json', {}), bare);
  });

  it('registerHooks keeps hooks of others, in their order and before ours', () => {
    const others = { prestart: [foreign], poststop: [foreign], poststart: [foreign] };
    const text = registerHooks(JSON.stringify({ ociVersion: '1', hooks: others }), 'c', stanza);
    assert.deepEqual(hooksIn(text), {
      prestart: [foreign, ...(stanza.prestart ?? [])],
      poststop: [foreign, ...(stanza.poststop ?? [])],
      poststart: [foreign],
    });
    assert.deepEqual(hooksIn(registerHooks(text, 'c', {})), others);
  });

  it('registerHooks replaces hooks of another prefix or at the other stage, so that no hook is called twice', () => {
    const before = registerHooks(bare, 'c', stanzaAt('/usr/local'));
    for (const next of [stanza, stanzaAt('/usr', 'createRuntime')])
      assert.deepEqual(hooksIn(registerHooks(before, 'c', next)), next);
  });

  it('registerHooks takes hooks and stages that are null as absent, as runtimes do', () => {
    for (const hooks of [null, {}, { prestart: null, poststop: null }]) {
      const before = JSON.stringify({ ociVersion: '1', hooks });
      const text = registerHooks(before, 'c', stanza);
      assert.deepEqual(hooksIn(text), stanza);
      assert.equal(hooksIn(registerHooks(text, 'c', {})), undefined);
      assert.equal(registerHooks(before, 'c', {}), before);
    }
  });

  it('registerHooks refuses a key that runc reads as another and crun does not, and names both', () => {
    const config = { ociVersion: '1' };
    for (const [text, key, meant] of [
      [{ ...config, Hooks: { poststop: [foreign] } }, 'Hooks', 'hooks'],
      [{ ...config, hooks: {}, HOOKS: null }, 'HOOKS', 'hooks'],
      [{ ...config, 'hoo\u212as': {} }, 'hoo\u212as', 'hooks'],
      [{ ...config, hooks: { Prestart: [foreign] } }, 'Prestart', 'prestart'],
      [{ ...config, hooks: { createruntime: [] } }, 'createruntime', 'createRuntime'],
    ] as const)
      for (const wanted of [stanza, {}])
        assert.throws(
          () => registerHooks(JSON.stringify(text), 'c', wanted),
          ghostkeepError('BAD_INPUT', `runc reads "${key}" as "${meant}"`),
        );
    const other = JSON.stringify({ ...config, Annotations: {}, hooks: { StartContainer: [foreign] } });
    assert.deepEqual(hooksIn(registerHooks(other, 'c', stanza)), { StartContainer: [foreign], ...stanza });
  });

  it('registerHooks refuses a text that no runtime would accept', () => {
    for (const text of ['', '[]', '{}', bare.replace('}', ''), '{"ociVersion": "1", "hooks": []}'])
      assert.throws(
        () => registerHooks(text, 'config.json', stanza),
        (error: unknown) => error instanceof GhostkeepError && error.code === 'BAD_INPUT',
      );
  });
});
