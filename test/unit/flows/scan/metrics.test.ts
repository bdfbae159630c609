import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricsOf } from '../../../../src/flows/scan/metrics.js';
import { aManifestGhost } from '../../a-manifest.js';

const name = 'a"b\\c\nd';

describe('metricsOf', () => {
  it('when the name of a container has characters that end the label of a metric, they are escaped', () => {
    const text = metricsOf({
      ghosts: [{ ...aManifestGhost(), keep: 'criu', why: 'x' }],
      unseen: [1, 1, 2].map(pid => ({ pid, what: 'fd', why: 'x' })),
      containers: [{ id: 'web', name, ghosts: 1, allocated: '9007199254740993' }],
    });
    assert.match(
      text,
      /^ghostkeep_container_ghost_allocated_bytes\{id="web",name="a\\"b\\\\c\\nd"\} 9007199254740993$/m,
    );
    assert.match(text, /^ghostkeep_unseen_processes 2$/m);
  });
});
