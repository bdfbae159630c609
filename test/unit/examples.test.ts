import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseBundle } from '../../src/oci/bundle.js';
import { parseHooksD, renderHookDocument } from '../../src/oci/hooks-d.js';
import { parseAnnotations, parseConfig, resolvePolicy } from '../../src/oci/policy.js';

const read = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');
const stages = ['prestart', 'poststop'] as const;

describe('the examples', () => {
  it('the example policy is valid and does what its page says', () => {
    const policy = resolvePolicy(parseConfig(read('policy.json'), 'policy.json'));
    assert.equal(policy.limit, 20n << 30n);
    assert.equal(policy.reserve, 1n << 30n);
    assert.equal(policy.verify, 'digest');
  });

  it('the example hooks.d file starts the program that the installed one starts', () => {
    const text = readFileSync(new URL('../../hooks/prestart.json', import.meta.url), 'utf8');
    const installed = parseHooksD(renderHookDocument(text, '/usr/local'), 'prestart.json');
    const strict = parseHooksD(read('hooks.d/ghostkeep-enabled-prestart.json'), 'example');
    assert.deepEqual(strict.hook, installed.hook);
    assert.deepEqual(strict.stages, installed.stages);
    assert.deepEqual(strict.when, { annotations: { '^io\\.ghostkeep\\.enabled$': '^true$' } });
  });

  it('the example bundle has the hooks that install.sh leaves, and a valid annotation', () => {
    const config = JSON.parse(read('bundle/config.json'));
    const text = readFileSync(new URL('../../hooks/config-hooks.json', import.meta.url), 'utf8');
    const stanza = JSON.parse(renderHookDocument(text, '/usr/local'));
    const { hooks } = parseBundle(read('bundle/config.json'), 'config.json');
    for (const stage of stages) assert.deepEqual(hooks?.[stage], stanza.hooks[stage]);
    assert.deepEqual(parseAnnotations(config.annotations), { limit: '4G' });
  });
});
