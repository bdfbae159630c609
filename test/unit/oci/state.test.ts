import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseState } from '../../../src/oci/state.js';
import { ghostkeepError } from '../expect.js';

const state = { ociVersion: '1.2.0', id: 'web', status: 'created', pid: 100, bundle: '/run/web' };
const bad = (values: object, ...named: string[]) =>
  assert.throws(
    () => parseState(JSON.stringify({ ...state, ...values })),
    ghostkeepError('BAD_STATE', ...named),
    JSON.stringify(values),
  );

describe('parseState', () => {
  it('when a runtime writes more fields than we know, the state is accepted', () => {
    const podman = {
      ...state,
      annotations: { 'io.container.manager': 'libpod' },
      owner: 'root',
      created: 'x',
    };
    assert.deepEqual(parseState(JSON.stringify(podman)), podman);
  });

  it('when there is no pid, as at poststop, the state is accepted', () => {
    const { pid: _, ...stopped } = { ...state, status: 'stopped' };
    assert.equal(parseState(JSON.stringify(stopped)).pid, undefined);
    assert.equal(parseState(JSON.stringify({ ...stopped, pid: 0 })).pid, 0);
  });

  it('when ids are unusual but legal, the state is accepted', () => {
    for (const id of ['a', '_', 'A.b-c+d_e', '0'.repeat(255), 'a..b'])
      assert.equal(parseState(JSON.stringify({ ...state, id })).id, id);
  });

  it('when an id could name another file, the state is refused', () => {
    for (const id of [
      '',
      '.',
      '..',
      '../x',
      'a/b',
      '/a',
      '.hidden',
      '-x',
      'a\0b',
      'a\n',
      'a b',
      'é',
      'a'.repeat(256),
      7,
    ])
      bad({ id }, 'id');
  });

  it('when the text is not JSON or not an object, the error says so', () => {
    for (const text of ['', 'x', '{"id":', '\0'])
      assert.throws(() => parseState(text), ghostkeepError('BAD_STATE', 'not JSON', 'stdin'));
    for (const text of ['[]', 'null', '"x"'])
      assert.throws(() => parseState(text), ghostkeepError('BAD_STATE', 'must be an object'));
  });

  it('when fields are missing, the error names all of them', () => {
    assert.throws(
      () => parseState('{}'),
      ghostkeepError(
        'BAD_STATE',
        'ociVersion is missing',
        'id is missing',
        'status is missing',
        'bundle is missing',
      ),
    );
  });

  it('when fields have values that no runtime writes, the error names the fields', () => {
    bad({ pid: -1 }, 'pid');
    bad({ pid: 1.5 }, 'pid');
    bad({ pid: '100' }, 'pid');
    bad({ pid: 4194305 }, 'pid');
    bad({ status: 'gone' }, 'status', 'creating');
    bad({ bundle: 'relative' }, 'bundle');
    bad({ annotations: { a: 1 } }, 'annotations.a');
    bad({ annotations: [] }, 'annotations');
  });
});
