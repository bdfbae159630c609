import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { GhostkeepError } from '../../../src/base/errors.js';
import { parseHooksD, renderHook, renderHookDocument } from '../../../src/oci/hooks-d.js';

const hooks = new URL('../../../hooks/', import.meta.url);
const template = (name: string) => readFileSync(new URL(name, hooks), 'utf8');
const refused = (about: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GhostkeepError);
  assert.equal(error.code, 'BAD_INPUT');
  assert.match(error.message, about);
  return true;
};

describe('parseHooksD', () => {
  const valid = {
    version: '1.0.0',
    hook: { path: '/bin/hook', timeout: 30 },
    when: { always: true },
    stages: ['prestart'],
  };
  const parse = (changes: object) => parseHooksD(JSON.stringify({ ...valid, ...changes }), 'file.json');

  it('parseHooksD accepts what Podman accepts', () => {
    assert.deepEqual(parse({}), valid);
  });

  for (const stage of ['prestart', 'poststop']) {
    it(`parseHooksD accepts hooks/${stage}.json: one stage, a timeout, and only containers with our annotations`, () => {
      const { hook, when, stages } = parseHooksD(
        renderHookDocument(template(`${stage}.json`), '/usr/local'),
        stage,
      );
      assert.equal(hook.path, '/usr/local/libexec/ghostkeep/hook');
      assert.deepEqual(hook.args, ['hook', stage, `/usr/local/libexec/ghostkeep/${stage}`]);
      assert.equal(hook.timeout, 30);
      assert.deepEqual(stages, [stage]);
      assert.deepEqual(Object.keys(when), ['annotations']);
      const [[name = '', value = ''] = []] = Object.entries(when.annotations ?? {});
      assert.match('io.ghostkeep.enabled', new RegExp(name));
      assert.match('', new RegExp(value));
      for (const other of [
        'ioXghostkeep.enabled',
        'my.io.ghostkeep.enabled',
        'io.ghostkeeper',
        'io.ghostkeep',
      ]) {
        assert.doesNotMatch(other, new RegExp(name));
      }
    });
  }

  const wrong: [string, object, RegExp][] = [
    ['a path that is not absolute', { hook: { path: 'hook' } }, /hook\.path/],
    ['a timeout of 0', { hook: { path: '/h', timeout: 0 } }, /hook\.timeout/],
    ['another version', { version: '0.1.0' }, /version/],
    ['an unknown stage', { stages: ['precreate'] }, /stages/],
    ['no condition', { when: {} }, /when/],
    ['an unknown key', { also: 1 }, /also/],
    [
      'a pattern that does not compile',
      { when: { annotations: { '(': '.*' } } },
      /when: .*regular expression/i,
    ],
  ];
  for (const [what, changes, about] of wrong) {
    it(`parseHooksD refuses ${what}`, () => assert.throws(() => parse(changes), refused(about)));
  }

  it('parseHooksD refuses text that is not JSON, and names the file', () => {
    assert.throws(() => parseHooksD('{', 'file.json'), refused(/file\.json.*not JSON/));
  });
});

describe('renderHook', () => {
  it('renderHook starts the program by its absolute path', () => {
    const program = renderHook(template('prestart'), ['/opt/node', '/lib/ghostkeep.mjs']);
    assert.match(program, /^#!\/bin\/sh\n/);
    assert.match(program, /\nexec '\/opt\/node' '\/lib\/ghostkeep.mjs' hook prestart\n$/);
    assert.doesNotMatch(program, /@[A-Z]+@/);
  });

  it('renderHook quotes a path for the shell', () => {
    const program = renderHook('exec @COMMAND@', ["/it's $(here)"]);
    assert.equal(program, "exec '/it'\\''s $(here)'");
  });

  it('renderHook refuses a path that is not absolute', () => {
    assert.throws(() => renderHook(template('poststop'), ['node', '/p']), refused(/"node"/));
  });

  it('renderHook refuses a template with a placeholder that has no value', () => {
    assert.throws(() => renderHook("exec '@SHELL@'", ['/n', '/p']), refused(/@SHELL@/));
  });
});

describe('renderHookDocument', () => {
  it('renderHookDocument has one of the two stages at which runtimes start the hook', () => {
    const render = (name: string) => renderHookDocument(template(name), '/usr/local', 'createRuntime');
    const { hook, stages } = parseHooksD(render('prestart.json'), 'prestart.json');
    assert.deepEqual(stages, ['createRuntime']);
    assert.deepEqual(hook.args?.slice(1), ['createRuntime', '/usr/local/libexec/ghostkeep/prestart']);
    const { hooks: stanza } = JSON.parse(render('config-hooks.json'));
    assert.deepEqual(Object.keys(stanza), ['createRuntime', 'poststop']);
    assert.deepEqual(stanza.createRuntime, [hook]);
  });

  it('renderHookDocument makes the hooks stanza for a config.json, with a timeout for each hook', () => {
    const { hooks: stanza } = JSON.parse(renderHookDocument(template('config-hooks.json'), '/opt/a "b"'));
    for (const stage of ['prestart', 'poststop']) {
      const folder = '/opt/a "b"/libexec/ghostkeep';
      const args = ['hook', stage, `${folder}/${stage}`];
      assert.deepEqual(stanza[stage], [{ path: `${folder}/hook`, args, timeout: 30 }]);
    }
  });
});
