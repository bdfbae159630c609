/** The DaemonSet: what the API server would accept, and that it asks for no more than it needs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { parse } from 'yaml';

const top = new URL('../../', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, top), 'utf8');
const manifest = () => parse(read('packaging/kubernetes/daemonset.yaml'));

describe('the DaemonSet', () => {
  it('the DaemonSet fits the schema of the Kubernetes API', () => {
    new DaemonSet(manifest()).validate();
  });

  it('the DaemonSet would not fit the schema of the Kubernetes API with a value of another type, or without its selector', () => {
    const [wrong, without] = [manifest(), manifest()];
    wrong.spec.template.spec.containers[0].image = 5;
    delete without.spec.selector;
    for (const each of [wrong, without]) assert.throws(() => new DaemonSet(each).validate());
  });

  it('the DaemonSet has no rights at the API server and none on the node but those that install.sh needs', () => {
    const pod = manifest().spec.template.spec;
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(pod.serviceAccountName, undefined);
    for (const field of ['hostPID', 'hostIPC', 'hostNetwork']) assert.equal(pod[field], undefined);
    const [{ securityContext }] = pod.containers;
    assert.equal(securityContext.privileged, undefined);
    assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
  });

  it('the DaemonSet names the image of this version', () => {
    const { version } = JSON.parse(read('package.json'));
    assert.equal(manifest().spec.template.spec.containers[0].image, `localhost/ghostkeep:${version}`);
  });
});
