import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseBundle } from '../../src/oci/bundle.js';
import { renderHook, renderHookDocument } from '../../src/oci/hooks-d.js';
import { ghostkeep, needs, sessionsFolder } from './ghostkeep.js';
import { InstallTree } from './install-tree.js';

const hooksD = '/usr/share/containers/oci/hooks.d';
const config = '/etc/ghostkeep/config.json';
const gate = '/usr/lib/criu/ghostkeep.so';

/** Names that are in one snapshot only, or whose file was written again. */
const changed = (before: Record<string, string>, after: Record<string, string>) =>
  Object.keys({ ...before, ...after }).filter(name => before[name] !== after[name]);

describe('install.sh', () => {
  let host: InstallTree;
  beforeEach(() => {
    host = new InstallTree();
  });
  afterEach(() => host.remove());

  const install = (environment = {}) => {
    const { status, said } = host.run([], environment);
    assert.equal(status, 0, said);
    return said;
  };

  it('install.sh installs files that --check accepts, changes nothing when it runs again, and removes them all with --uninstall', () => {
    install();
    const { status, said } = host.run(['--check']);
    assert.equal(status, 0, said);
    assert.match(said, /^ok +gate: .*active/m);
    const first = host.snapshot();
    for (const file of [config, gate, '/usr/local/bin/ghostkeep', `${hooksD}/ghostkeep-prestart.json`]) {
      assert.ok(first[file.slice(1)], `${file} is installed`);
    }

    install();
    assert.deepEqual(changed(first, host.snapshot()), []);

    assert.equal(host.run(['--uninstall']).status, 0);
    assert.deepEqual(Object.keys(host.snapshot()), []);
    assert.equal(host.run(['--uninstall']).status, 0, 'a second time');
    assert.equal(host.run(['--check']).status, 1);
  });

  it('install.sh says where the program is, and with DESTDIR that it does not run from there', () => {
    const written = host.at('/usr/local/bin/ghostkeep');
    assert.ok(
      install().includes(`${written} is written; it runs only after all in ${host.root} is moved to /\n`),
    );
  });

  it('install.sh leaves files of other programs in place at --uninstall', () => {
    mkdirSync(host.at(hooksD), { recursive: true });
    writeFileSync(host.at(`${hooksD}/other.json`), 'theirs');
    const before = host.snapshot();
    install();
    host.run(['--uninstall']);
    assert.deepEqual(Object.keys(host.snapshot()).sort(), Object.keys(before).sort());
  });

  it('install.sh recognizes its own files through a path with a symbolic link in it', () => {
    mkdirSync(host.at('/opt/it'), { recursive: true });
    symlinkSync('it', host.at('/opt/link'));
    install({ PREFIX: '/opt/link' });
    const { status, said } = host.run(['--uninstall'], { PREFIX: '/opt/it' });
    assert.equal(status, 0, said);
    for (const file of [gate, `${hooksD}/ghostkeep-prestart.json`])
      assert.ok(!existsSync(host.at(file)), file);
  });

  describe('when two installations share a host', () => {
    const shared = [`${hooksD}/ghostkeep-prestart.json`, `${hooksD}/ghostkeep-poststop.json`, gate];
    const [first, second] = ['/usr/local', '/opt/it'];
    beforeEach(() => {
      install();
      const said = install({ PREFIX: second });
      assert.match(said, /from now on, not that of \/usr\/local\/libexec\/ghostkeep\/hook\n/);
    });
    const uninstall = (prefix: string) => {
      const { status, said } = host.run(['--uninstall'], { PREFIX: prefix });
      assert.equal(status, 0, said);
      return said;
    };

    it('install.sh leaves the files that exist once on a host in place if they start the other installation', () => {
      const said = uninstall(first);
      for (const file of shared) {
        assert.match(readFileSync(host.at(file), 'latin1'), new RegExp(`${second}/`));
        assert.ok(said.includes(`${file} starts ${second}/`), said);
      }
      assert.ok(!existsSync(host.at('/usr/local')));
      const { status, said: found } = host.run(['--check'], { PREFIX: second });
      assert.equal(status, 0, found);
      uninstall(second);
      assert.ok(shared.every(file => !existsSync(host.at(file))));
      assert.ok(!existsSync(host.at(second)));
    });

    it('install.sh removes the files that exist once on a host if the installation that they start is gone', () => {
      rmSync(host.at(second), { recursive: true });
      uninstall(first);
      for (const file of shared) assert.ok(!existsSync(host.at(file)), file);
    });

    it('install.sh names the files that another installation took over, and gives them back when it runs again', () => {
      const { status, said } = host.run(['--check']);
      assert.equal(status, 1);
      for (const file of shared) assert.ok(said.includes(`${file} is not what was installed`), said);
      install();
      assert.equal(host.run(['--check']).status, 0);
    });
  });

  it('install.sh keeps a config.json that was changed after the installation', () => {
    install();
    writeFileSync(host.at(config), '{"engine":"seek"}');
    install();
    const { said } = host.run(['--uninstall']);
    assert.match(said, /config\.json was changed: it stays/);
    assert.equal(readFileSync(host.at(config), 'utf8'), '{"engine":"seek"}');
    assert.deepEqual(Object.keys(host.snapshot()).sort(), [
      'etc',
      'etc/ghostkeep',
      'etc/ghostkeep/config.json',
    ]);
  });

  it('install.sh keeps a config.json that was there before the installation, whatever its content', () => {
    mkdirSync(path.dirname(host.at(config)), { recursive: true });
    writeFileSync(host.at(config), '{}\n');
    install();
    host.run(['--uninstall']);
    assert.equal(readFileSync(host.at(config), 'utf8'), '{}\n');
  });

  it('install.sh removes a file that an older version had installed and this one does not have', () => {
    const old = path.join(host.tree, 'dist/chunk-OLD.mjs');
    writeFileSync(old, '');
    install();
    assert.ok('usr/local/lib/ghostkeep/dist/chunk-OLD.mjs' in host.snapshot());
    rmSync(old);
    install();
    assert.ok(!('usr/local/lib/ghostkeep/dist/chunk-OLD.mjs' in host.snapshot()));
  });

  it('install.sh writes the hooks and hooks.d files exactly as src/oci/hooks-d.ts renders them', () => {
    install();
    const template = (name: string) => readFileSync(path.join(host.tree, 'hooks', name), 'utf8');
    const command = [process.execPath, '/usr/local/lib/ghostkeep/dist/ghostkeep.mjs'];
    for (const stage of ['prestart', 'poststop']) {
      const program = readFileSync(host.at(`/usr/local/libexec/ghostkeep/${stage}`), 'utf8');
      assert.equal(program, renderHook(template(stage), command));
      const document = readFileSync(host.at(`${hooksD}/ghostkeep-${stage}.json`), 'utf8');
      assert.equal(document, renderHookDocument(template(`${stage}.json`), '/usr/local'));
    }
  });

  it('install.sh puts its hook at one stage: the one that the last installation chose', () => {
    const read = () => {
      const folder = host.at(hooksD);
      const found = readdirSync(folder).sort();
      assert.deepEqual(found, ['ghostkeep-poststop.json', 'ghostkeep-prestart.json']);
      const { stages } = JSON.parse(readFileSync(`${folder}/ghostkeep-prestart.json`, 'utf8'));
      const stanza = readFileSync(host.at('/usr/local/libexec/ghostkeep/config-hooks.json'), 'utf8');
      assert.deepEqual(Object.keys(JSON.parse(stanza).hooks), [...stages, 'poststop']);
      const { status, said } = host.run(['--check']);
      assert.equal(status, 0, said);
      assert.match(said, new RegExp(`^ok +hooks\\.d: .*-prestart\\.json, stage ${stages}$`, 'm'));
      return stages;
    };
    install();
    assert.deepEqual(read(), ['prestart']);
    for (const stage of ['createRuntime', 'prestart', 'createRuntime']) {
      const { status, said } = host.run(['--hook-stage', stage]);
      assert.equal(status, 0, said);
      assert.deepEqual(read(), [stage]);
      assert.equal(/stage createRuntime/.test(said), stage === 'createRuntime', said);
    }
    assert.equal(host.run(['--uninstall']).status, 0);
    assert.deepEqual(Object.keys(host.snapshot()), []);
  });

  it('install.sh refuses any stage but prestart and createRuntime for the hook, and then writes nothing', () => {
    for (const stage of [['poststop'], ['createContainer'], []]) {
      const { status, said } = host.run(['--hook-stage', ...stage]);
      assert.equal(status, 2, said);
      assert.match(said, /--hook-stage prestart\|createRuntime/);
    }
    assert.deepEqual(Object.keys(host.snapshot()), []);
  });

  it('the installed program registers these hooks in a bundle and takes them out again', () => {
    const prefix = path.join(host.folder, 'prefix');
    install({ PREFIX: prefix });
    symlinkSync(host.at(prefix), prefix);
    const bundle = path.join(host.folder, 'bundle');
    const config = `${bundle}/config.json`;
    mkdirSync(bundle);
    writeFileSync(config, '{ "ociVersion": "1.0.2" }\n', { mode: 0o640 });
    const register = (...args: string[]) => {
      const ran = spawnSync(`${prefix}/bin/ghostkeep`, ['register', ...args, bundle], { encoding: 'utf8' });
      assert.equal(ran.status, 0, ran.stderr);
      return ran.stdout;
    };
    assert.match(register(), /bundle\/config\.json has our hooks now: prestart, poststop$/m);
    const { hooks } = parseBundle(readFileSync(config, 'utf8'), config);
    assert.deepEqual(
      { hooks },
      JSON.parse(readFileSync(`${prefix}/libexec/ghostkeep/config-hooks.json`, 'utf8')),
    );
    assert.equal(statSync(config).mode & 0o777, 0o640);
    const { ino } = statSync(config);
    assert.match(register(), /had our hooks already/);
    assert.equal(statSync(config).ino, ino, 'the file was not written again');
    assert.match(register('--remove'), /our hooks are out of/);
    assert.deepEqual(JSON.parse(readFileSync(config, 'utf8')), { ociVersion: '1.0.2' });
    const latin1 = Buffer.from('{ "ociVersion": "1.0.2", "hostname": "\xe9" }', 'latin1');
    writeFileSync(config, latin1);
    const refused = spawnSync(`${prefix}/bin/ghostkeep`, ['register', bundle], { encoding: 'utf8' });
    assert.match(refused.stderr, /it is not UTF-8 \[BAD_INPUT\]/);
    assert.deepEqual(readFileSync(config), latin1);
  });

  it('install.sh puts the manual page and the completions where man and the shells look below PREFIX', t => {
    install();
    for (const [file, words] of [
      ['man/man1/ghostkeep.1', ['man']],
      ['bash-completion/completions/ghostkeep', ['completion', 'bash']],
      ['zsh/site-functions/_ghostkeep', ['completion', 'zsh']],
      ['fish/vendor_completions.d/ghostkeep.fish', ['completion', 'fish']],
    ] as const)
      assert.equal(readFileSync(host.at(`/usr/local/share/${file}`), 'utf8'), ghostkeep(words).stdout, file);
    if (!needs(t, spawnSync('man', ['--version']).status === 0, 'man is not installed')) return;
    const found = spawnSync('man', ['-M', host.at('/usr/local/share/man'), '-w', 'ghostkeep'], {
      encoding: 'utf8',
    });
    assert.equal(found.stdout, `${host.at('/usr/local/share/man/man1/ghostkeep.1')}\n`, found.stderr);
  });

  it('the installed program is one that checkpointctl takes for its command ghosts', () => {
    const prefix = path.join(host.folder, 'prefix');
    install({ PREFIX: prefix });
    symlinkSync(host.at(prefix), prefix);
    const plugin = (...args: string[]) =>
      spawnSync(`${prefix}/bin/checkpointctl-ghosts`, args, { encoding: 'utf8' });
    const described = plugin('--plugin-description');
    assert.deepEqual([described.status, described.stderr], [42, '']);
    assert.match(described.stdout, /^Show the deleted files .*\n$/);
    const shown = plugin(path.join(host.folder, 'no-such'));
    assert.equal(shown.status, 1);
    assert.match(shown.stderr, /no-such.*\n.*MANIFEST_MISSING|MANIFEST_MISSING|no-such/);
    assert.match(plugin('--help').stdout, /ghostkeep show DIR\|ARCHIVE/);
  });

  it('the installed hooks and program start with an empty environment', () => {
    const prefix = path.join(host.folder, 'prefix');
    install({ PREFIX: prefix });
    symlinkSync(host.at(prefix), prefix);
    const version = spawnSync(`${prefix}/bin/ghostkeep`, ['--version'], { env: {}, encoding: 'utf8' });
    assert.match(version.stdout, /^ghostkeep \d/);
    const stanza = readFileSync(`${prefix}/libexec/ghostkeep/config-hooks.json`, 'utf8');
    const { hooks = {} } = parseBundle(`{"ociVersion":"1.0.2",${stanza.slice(1)}`, 'config.json');
    const id = path.basename(host.folder);
    const run = (stage: 'prestart' | 'poststop', annotations: Record<string, string>) => {
      const [hook] = hooks[stage] ?? [];
      assert.ok(hook);
      const state = { ociVersion: '1.0.2', id, status: 'creating', pid: 1, bundle: host.folder, annotations };
      const [argv0 = '', ...args] = hook.args ?? [];
      return spawnSync(hook.path, args, {
        argv0,
        env: {},
        cwd: '/',
        input: JSON.stringify(state),
        encoding: 'utf8',
      });
    };
    for (const asks of [false, true]) {
      const annotations: Record<string, string> = asks ? { 'io.ghostkeep.enabled': 'true' } : {};
      for (const stage of ['prestart', 'poststop'] as const) {
        const { status, stderr } = run(stage, annotations);
        assert.equal(status, 0, stderr);
        assert.equal(existsSync(`${sessionsFolder}/${id}.json`), asks && stage === 'prestart');
      }
    }
    assert.match(run('prestart', { 'io.ghostkeep.x': 'y' }).stderr, /\[BAD_POLICY\]/);
  });

  describe('when install.sh cannot install', () => {
    const assertNothing = (about: RegExp, environment = {}) => {
      const before = Object.keys(host.snapshot());
      const { status, said } = host.run([], environment);
      assert.equal(status, 1, said);
      assert.match(said, about);
      assert.deepEqual(Object.keys(host.snapshot()), before);
    };

    it('when a hooks.d file is not valid, install.sh leaves no file', () => {
      const file = path.join(host.tree, 'hooks/poststop.json');
      const template = readFileSync(file, 'utf8');
      for (const [from, to, about] of [
        ['"1.0.0"', '"1.0"', /version is "1\.0", it must be "1\.0\.0"/],
        ['"stages"', '"stage"', /there is no key stage, only version/],
        ['"timeout": 30', '"timeout": "30"', /hook\.timeout is "30", it must be a whole number/],
        ['"^io', '"(^io', /regular expression/i],
        ['}', '', /JSON/],
      ] as const) {
        writeFileSync(file, template.replace(from, to));
        assertNothing(about);
      }
    });

    it('when a directory cannot be made, install.sh leaves no file', () => {
      mkdirSync(host.at('/usr/share'), { recursive: true });
      writeFileSync(host.at('/usr/share/containers'), 'a file');
      assertNothing(/cannot make .*containers/);
    });

    it('install.sh says that it cannot read the criu program', () => {
      const wrapper = path.join(host.folder, 'wrapper');
      writeFileSync(wrapper, '#!/bin/sh\nexec criu\n');
      assertNothing(/wrapper: it is not an ELF file/, { CRIU: wrapper });
    });

    it('install.sh says that PREFIX is not absolute', () =>
      assertNothing(/PREFIX must be/, { PREFIX: 'usr' }));
    it('install.sh says that PREFIX has a quote in it', () =>
      assertNothing(/PREFIX must be/, { PREFIX: "/us'r" }));
    it('install.sh says that the Node.js does not run', () =>
      assertNothing(/cannot run Node/, { NODE: '/bin/false' }));
    it('install.sh says that it would have to compile and cannot', () => {
      assertNothing(/needs cc and make/, { PREFIX: '/opt/it', CC: 'no-such-compiler' });
    });
    it('install.sh says that the tree is not complete', () => {
      rmSync(path.join(host.tree, 'dist/ghostkeep.mjs'));
      assertNothing(/no dist\/ghostkeep\.mjs/);
    });
    it('install.sh says that the native part is missing and that no compiler can make it', () => {
      rmSync(path.join(host.tree, 'build/libghostkeep.so'));
      assertNothing(/build was not made for this machine.* needs cc and make/, { CC: 'no-such-compiler' });
    });
    it('install.sh says that koffi is missing', () => {
      rmSync(path.join(host.tree, 'node_modules'));
      assertNothing(/koffi is not there.*run npm ci/);
    });
  });

  it('install.sh that was killed halfway can be undone by --uninstall, and can be run again', () => {
    const tools = path.join(host.folder, 'tools');
    mkdirSync(tools);
    const mv = '#!/bin/sh\ncase $* in *hooks.d*) kill -9 $PPID;; esac\nexec /bin/mv "$@"\n';
    writeFileSync(path.join(tools, 'mv'), mv, { mode: 0o755 });
    const killed = { PATH: `${tools}:${process.env['PATH']}` };
    host.run([], killed);
    const names = Object.keys(host.snapshot());
    assert.ok(names.includes('usr/local/bin/ghostkeep'), 'the program was there');
    assert.ok(!names.includes(gate.slice(1)), 'the gate was not');
    assert.equal(host.run(['--uninstall']).status, 0);
    assert.deepEqual(Object.keys(host.snapshot()), []);

    host.run([], killed);
    install();
    assert.equal(host.run(['--check']).status, 0);
    assert.deepEqual(
      Object.keys(host.snapshot()).filter(name => name.includes('.new-')),
      [],
    );
  });
});
