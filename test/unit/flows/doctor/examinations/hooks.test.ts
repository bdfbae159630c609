import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examineHooks } from '../../../../../src/flows/doctor/examinations/hooks.js';
import { hostWith } from '../a-host.js';

const standard = '/usr/share/containers/oci/hooks.d';
const ours = '/usr/local/libexec/ghostkeep/hook';
const hook = (path: string, stage = 'poststop') =>
  JSON.stringify({ version: '1.0.0', hook: { path }, when: { always: true }, stages: [stage] });
const look = async (files: Record<string, string>, programs: Record<string, string> = {}) =>
  (await examineHooks(hostWith(files, { [ours]: '', ...programs }).context, { clean: false })).findings;

describe('the lines of doctor about hooks', () => {
  it('doctor names our hooks.d files, their stages, and the engines of this host that read them', async () => {
    const findings = await look(
      { [`${standard}/ghostkeep-poststop.json`]: hook(ours) },
      { '/usr/bin/podman': '', '/usr/bin/crio': '' },
    );
    assert.deepEqual(
      findings.map(({ status, says }) => [status, says]),
      [
        [
          'ok',
          `${standard}: ghostkeep-poststop.json (poststop), for annotations io.ghostkeep.*; read by podman, CRI-O`,
        ],
      ],
    );
  });

  it('doctor looks into a folder of hooks that an engine has in its settings', async () => {
    const findings = await look({
      '/etc/containers/containers.conf': '[engine]\nhooks_dir = [\n  "/srv/hooks",\n]\n',
      '/srv/hooks/bad.json': '{}',
    });
    assert.deepEqual(
      [findings[0]?.status, findings[0]?.command],
      ['broken', 'mv /srv/hooks/bad.json /srv/hooks/bad.json.away'],
    );
  });

  it('when a hooks.d file names a program that is not there, doctor calls it broken, because no container starts then', async () => {
    const [line] = await look({ [`${standard}/other.json`]: hook('/no/program') }, { '/usr/bin/podman': '' });
    assert.match(line?.says ?? '', /^podman starts no container: .*names \/no\/program/);
    assert.equal(line?.status, 'broken');
  });

  it('doctor asks runc and crun which stages they run', async () => {
    const features = (...hooks: string[]) => JSON.stringify({ hooks });
    const findings = await look(
      { [`${standard}/ghostkeep-poststop.json`]: hook(ours) },
      { '/usr/bin/runc': features('prestart', 'poststop'), '/usr/bin/crun': features('prestart') },
    );
    assert.deepEqual(
      findings.slice(1).map(({ status, says }) => [status, says]),
      [
        ['ok', 'hooks in it are run by runc, also of the stages prestart and poststop'],
        ['warning', 'crun runs no hooks of poststop'],
      ],
    );
  });
});
