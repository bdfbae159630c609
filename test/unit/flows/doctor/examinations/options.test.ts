import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examineOptions } from '../../../../../src/flows/doctor/examinations/options.js';
import { hostWith } from '../a-host.js';

const look = async (files: Record<string, string>, environment = {}) =>
  (await examineOptions(hostWith(files, {}, environment).context, { clean: false })).findings;

describe("the line of doctor about CRIU's options", () => {
  it('doctor shows each option of CRIU that is in force with the file that sets it, and no option that a later file replaces', async () => {
    const findings = await look(
      {
        '/etc/criu/default.conf': 'ghost-limit 1G\ntcp-close\n',
        '/root/.criu/default.conf': 'ghost-limit 2G\n',
        '/etc/criu/runc.conf': 'tcp-close\n',
      },
      { HOME: '/root' },
    );
    assert.deepEqual(
      findings.map(({ says }) => says),
      [
        'tcp-close (/etc/criu/default.conf, read by CRIU); ghost-limit 2G (/root/.criu/default.conf, read by CRIU); tcp-close (/etc/criu/runc.conf, read by CRIU under runc)',
      ],
    );
  });

  it('doctor warns when CRIU_CONFIG_FILE names a file that is not there', async () => {
    const [, line] = await look({}, { CRIU_CONFIG_FILE: '/no/such' });
    assert.deepEqual([line?.status, line?.says.includes('/no/such')], ['warning', true]);
  });

  it('doctor shows the containers whose annotation gives CRIU another configuration file', async () => {
    const config = '/run/containerd/io.containerd.runtime.v2.task/k8s.io/web/config.json';
    const [, line] = await look({ [config]: '{"annotations": {"org.criu.config": "/etc/criu/web.conf"}}' });
    assert.match(line?.says ?? '', /^container web gives CRIU the file \/etc\/criu\/web\.conf/);
  });

  it('doctor passes over a bundle that is no JSON or has no annotations, which anybody may have made', async () => {
    const folder = '/run/containers/storage/overlay-containers';
    const files = Object.fromEntries(
      ['{', '7', '{"annotations": 7}', '{"annotations": {"org.criu.config": {}}}'].map((text, index) => [
        `${folder}/${index}/userdata/config.json`,
        text,
      ]),
    );
    assert.equal((await look(files)).length, 1);
  });
});
