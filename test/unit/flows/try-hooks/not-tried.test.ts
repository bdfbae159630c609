import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Session, writeSession } from '../../../../src/flows/container/sessions.js';
import { listNotTried } from '../../../../src/flows/try-hooks/not-tried.js';
import { recordImages } from '../../../../src/flows/try-hooks/record.js';
import type { TestbedContext } from '../../../../src/flows/try-hooks/testbed-context.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext } from '../../fake-host.js';

const configPath = '/etc/ghostkeep/config.json';
const bundleWith = (annotations: Record<string, string>, hooks: Record<string, unknown> = {}) => ({
  path: '/bundle',
  config: { ociVersion: '1.0.2', annotations, hooks },
});
/** A context without a testbed, because the list asks the testbed for nothing. */
const staged = (config?: string) => {
  const context = fakeContext();
  if (config !== undefined) context.host.files.put(configPath, config);
  return context as typeof context & TestbedContext;
};

describe('the list of what a trial did not try', () => {
  const ours = bundleWith({ 'io.ghostkeep.enabled': 'true' });
  const last = (config?: string, bundle = ours) => listNotTried(staged(config), bundle, true).at(-1) ?? '';

  it('the list of what was not tried names containers without annotations, to which the policy of the host applies', () => {
    assert.match(last(), /^containers without annotations .* the host's policy applies$/);
    assert.match(last('{"enabled":true}'), /the host's policy applies$/);
  });
  it('the list of what was not tried names a policy of the host that is off', () =>
    assert.match(
      last('{"enabled":false}'),
      /the host's policy \(\/etc\/ghostkeep\/config\.json: "enabled": false\)/,
    ));
  it('the list of what was not tried does not repeat that config.json is damaged, because the hooks have failed for that reason', () =>
    assert.match(last('{'), /the host's policy applies$/));
  it('the list of what was not tried does not name containers without annotations when the bundle has none itself', () =>
    assert.match(last('{"enabled":false}', bundleWith({})), /^addresses of mappings/));
  it('the list of what was not tried names hooks of other stages, but not empty ones', () => {
    const hooks = {
      prestart: [{}],
      poststop: [{}],
      createContainer: [{}],
      poststart: [{}],
      startContainer: [],
    };
    assert.match(last(undefined, bundleWith({}, hooks)), /^hooks createContainer, poststart: /);
  });
});

describe('the error when the policy that prestart recorded is off', () => {
  const session: Session = {
    version: 1,
    container: 'try',
    bundle: '/bundle',
    created: new Date(0).toISOString(),
    policy: { enabled: false },
  };
  const record = (annotations: Record<string, string>) => () => {
    const context = staged();
    context.host.files.makeDirectory('/run/ghostkeep/sessions', 0o700);
    writeSession(context, session);
    return recordImages(context, bundleWith(annotations), 'try', '/images');
  };

  it('when an annotation turns the hooks off, the error names the annotation', () =>
    assert.throws(
      record({ 'io.ghostkeep.enabled': 'false' }),
      ghostkeepError('HOOK_FAILED', /do nothing here: the annotation io\.ghostkeep\.enabled=false/),
    ));
  it("when the host's config.json turns the hooks off, the error names config.json", () =>
    assert.throws(
      record({ 'io.ghostkeep.limit': '1G' }),
      ghostkeepError('HOOK_FAILED', /"enabled": false in \/etc\/ghostkeep\/config\.json leaves/),
    ));
});
