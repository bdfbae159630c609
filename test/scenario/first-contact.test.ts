/** The command line, as somebody meets it who does not know it yet. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { assertDocument } from '../../src/base/documents/document.js';
import { showId } from '../../src/base/text/ghost-id.js';
import { commands } from '../../src/cli/commands.js';
import { command, ghostFile, ghostkeep, needs, temporaryFolder } from './ghostkeep.js';

/** A dump of COUNT ghosts. */
function dumped(t: TestContext, count = 1): { folder: string; images: string } {
  const folder = temporaryFolder(t);
  for (let n = 1; n <= count; n += 1) ghostFile(t, folder, `ghost-${n}`, `content ${n}`);
  const images = `${folder}/images`;
  const { status, stderr } = ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);
  assert.equal(status, 0, stderr);
  return { folder, images };
}

describe('a slip of the hand', () => {
  for (const [args, question] of [
    [['sacn'], 'did you mean scan?'],
    [['verfy', '-D', 'x'], 'did you mean verify?'],
    [['help', 'restor'], 'did you mean restore?'],
    [['scan', '--contaner', 'web'], 'did you mean --container?'],
    [['dump', '--detect-zeros'], 'did you mean --detect-zeroes?'],
  ] as const)
    it(`when somebody types \`ghostkeep ${args.join(' ')}\`, the answer asks: ${question}`, () => {
      const { status, stderr } = ghostkeep(args);
      assert.equal(status, 2);
      assert.ok(stderr.includes(question), stderr);
    });

  it('when no command or option is near a wrong word, the answer asks nothing', () => {
    for (const args of [['nonsense'], ['scan', '--frobnicate']])
      assert.doesNotMatch(ghostkeep(args).stderr, /did you mean/);
  });

  it('when -V is given, the version is printed', () => {
    assert.deepEqual(ghostkeep(['-V']), ghostkeep(['--version']));
    assert.match(ghostkeep(['-V']).stdout, /^ghostkeep \d+\.\d+\.\d+/);
  });

  it('when the runtime of `checkpoint` is not installed, the error says so', t => {
    const run = (program: string) =>
      ghostkeep(
        ['checkpoint', '--', program, 'checkpoint', '--image-path', `${temporaryFolder(t)}/i`, 'web'],
        {
          env: { PATH: '/gk-none' },
        },
      );
    const { status, stderr } = run('runc');
    assert.equal(status, 1);
    assert.match(stderr, /^ghostkeep: cannot run runc: runc is not installed, or in no folder of PATH \[/m);
    assert.match(
      run('/gk-none/crun').stderr,
      /cannot run \/gk-none\/crun: \/gk-none\/crun is not installed \[/,
    );
  });
});

describe('a directory', () => {
  it('when a command is about one directory, it takes the directory as an argument or as -D, and no second one', t => {
    const { images } = dumped(t);
    for (const name of ['show', 'verify', 'seal', 'materialize']) {
      assert.deepEqual(ghostkeep([name, images]), ghostkeep([name, '-D', images]), name);
      assert.equal(ghostkeep([name, images]).status, 0);
      assert.equal(ghostkeep([name, images, images]).status, 2);
      assert.equal(ghostkeep([name, images, '-D', images]).status, 2);
    }
  });
});

describe('several directories', () => {
  it('restore, pack and share take the first directory as an argument or as -D', t => {
    const { folder, images } = dumped(t);
    for (const [index, args] of [[images], ['-D', images]].entries()) {
      const restored = ghostkeep(['restore', ...args, '--to', `${folder}/to-${index}`]);
      assert.equal(restored.status, 0, restored.stderr);
      assert.match(ghostkeep(['pack', ...args, '--parent', images]).stderr, /\[CHAIN_WRONG\]$/m);
      assert.match(ghostkeep(['share', ...args, images]).stderr, /named twice \[BAD_INPUT\]$/m);
    }
    for (const args of [
      ['restore', images, images],
      ['pack', images, '-D', images],
      ['share', images],
      ['share'],
    ])
      assert.equal(ghostkeep([...args, '--to', folder]).status, 2, args.join(' '));
    assert.equal(ghostkeep(['share', '-D', images]).status, 2);
  });
});

describe('old names', () => {
  it('restore lists the old name of each file, and with --names gives the files these names', t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/other`);
    const names = ['log', 'other/log', '-rf', 'a\nb', 'état %', '..x'];
    for (const name of names) ghostFile(t, folder, name, name);
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const to = `${folder}/to`;
    const { stdout, status, stderr } = ghostkeep(['restore', images, '--to', to, '--names']);
    assert.equal(status, 0, stderr);
    const found = Object.fromEntries(
      fs.readdirSync(to).map(name => [name, fs.readFileSync(`${to}/${name}`, 'utf8')]),
    );
    const second = Object.keys(found).find(name => /^log\.ghost-/.test(name)) ?? '';
    assert.deepEqual([found['log'], found[second]].sort(), ['log', 'other/log']);
    assert.match(second, /^log\.ghost-[1-9]$/);
    delete found['log'];
    delete found[second];
    assert.deepEqual(found, { '%2drf': '-rf', 'a%0ab': 'a\nb', 'état %25': 'état %', '..x': '..x' });
    assert.match(stdout, new RegExp(`^${to}/log +[0-9]+ B +${folder}/(other/)?log$`, 'm'));
  });

  it('restore --names restores all ghosts, even if some were called like the names that others would get', t => {
    const folder = temporaryFolder(t);
    for (const one of ['a', 'b']) fs.mkdirSync(`${folder}/${one}`);
    // One of these ten is the name that the second ghost called `log` would get with its id.
    const names = [...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(id => `log.ghost-${showId(id)}`), 'a/log', 'b/log'];
    for (const name of names) ghostFile(t, folder, name, name);
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const { status, stderr } = ghostkeep(['restore', images, '--to', `${folder}/to`, '--names']);
    assert.equal(status, 0, stderr);
    const found = fs.readdirSync(`${folder}/to`).map(name => fs.readFileSync(`${folder}/to/${name}`, 'utf8'));
    assert.deepEqual(found.sort(), names.sort());
  });

  it('restore --names writes over no file, and follows no link', t => {
    const { folder, images } = dumped(t);
    const to = `${folder}/to`;
    fs.mkdirSync(to, { mode: 0o700 });
    fs.writeFileSync(`${folder}/precious`, 'precious');
    fs.symlinkSync(`${folder}/precious`, `${to}/ghost-1`);
    assert.equal(ghostkeep(['restore', images, '--to', to, '--names']).status, 0);
    assert.deepEqual(fs.readdirSync(to).sort(), ['ghost-1', 'ghost-1.ghost-1']);
    assert.equal(fs.readFileSync(`${to}/ghost-1.ghost-1`, 'utf8'), 'content 1');
    const again = ghostkeep(['restore', images, '--to', to, '--names']);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /it is there already/);
    assert.equal(fs.readFileSync(`${folder}/precious`, 'utf8'), 'precious');
  });
});

describe('explain', () => {
  it('when a code is given, in brackets or without, explain prints what docs/errors.md has', () => {
    const page = fs.readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    for (const word of ['GHOST_CHANGED', '[GHOST_CHANGED]', 'ghost_changed']) {
      const { status, stdout } = ghostkeep(['explain', word]);
      const [, means = '', wayOut = ''] =
        /^GHOST_CHANGED\n\nIt means: {3}(.+)\nWhat to do: (.+)\n$/.exec(stdout) ?? [];
      assert.equal(status, 0);
      assert.ok(page.includes(`| \`GHOST_CHANGED\` | ${means} | ${wayOut} |`), stdout);
    }
  });

  it('when stdout is a narrow terminal, explain breaks its lines between words', t => {
    if (!needs(t, spawnSync('script', ['--version']).status === 0, 'script(1) is not installed')) return;
    const words = [...command, 'explain', 'GHOST_CHANGED'].map(word => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['-qec', `stty cols 60; ${words}`, '/dev/null'], {
      encoding: 'utf8',
    });
    const lines = stdout.trimEnd().split('\r\n');
    assert.ok(lines.length > 8 && lines.every(line => line.length <= 60), stdout);
    const flat = lines.map((line, at) => (at < 2 ? line : line.trim())).join(' ');
    const whole = ghostkeep(['explain', 'GHOST_CHANGED']).stdout;
    assert.equal(flat.replaceAll(/\s+/g, ' '), whole.trimEnd().replaceAll(/\s+/g, ' '));
  });

  it('when no code is given, explain lists all, with what each means, one on each line', () => {
    const { status, stdout } = ghostkeep(['explain']);
    assert.equal(status, 0);
    const lines = stdout.trimEnd().split('\n');
    const page = fs.readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    assert.equal(lines.length, page.match(/^\| `[A-Z_]+` \|/gm)?.length);
    for (const line of lines) {
      const [, code, means] = /^([A-Z_]+) {2,}(\S.*)$/.exec(line) ?? [];
      assert.ok(page.includes(`| \`${code}\` | ${means} | `), line);
    }
    const { codes } = JSON.parse(ghostkeep(['explain', '--json']).stdout) as { codes: { code: string }[] };
    assert.deepEqual(
      codes.map(({ code }) => code),
      lines.map(line => line.split(' ')[0]),
    );
    assert.equal(ghostkeep(['explain', 'IO', 'USAGE']).status, 2);
  });

  it('when no code is given on a narrow terminal, explain cuts each line to its width', t => {
    if (!needs(t, spawnSync('script', ['--version']).status === 0, 'script(1) is not installed')) return;
    const words = [...command, 'explain'].map(word => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['-qec', `stty cols 60; ${words}`, '/dev/null'], {
      encoding: 'utf8',
    });
    const lines = stdout.trimEnd().split('\r\n');
    assert.ok(lines.length > 50 && lines.every(line => line.length <= 60), stdout);
    assert.match(stdout, /^ALREADY_SEALED .*…\r$/m);
  });

  it('when a code is nearly right, explain suggests the right one and lists no others', () => {
    const { stderr } = ghostkeep(['explain', 'GHOST_CHNGED']);
    assert.match(stderr, /"GHOST_CHNGED"; did you mean GHOST_CHANGED\?; see `/);
  });

  it('when there is no such code, explain ends with the status for wrong usage and lists all codes', () => {
    const { status, stderr } = ghostkeep(['explain', 'GHOST']);
    assert.equal(status, 2);
    assert.match(stderr, /must be one of ALREADY_SEALED, .* USAGE/);
  });
});

describe('the id of a ghost', () => {
  it('when show lists a ghost with its id and its image, restore --ghost takes either', t => {
    const { folder, images } = dumped(t, 11);
    const { stdout } = ghostkeep(['show', images]);
    const [, path = ''] = /^ *0xa .* ghost-file-a\.img .* (\/\S+)$/m.exec(stdout) ?? [];
    const content = `content ${path.replace(/.*-/, '')}`;
    const ways = [
      '10',
      '0xa',
      'ghost-10',
      'ghost-0xa',
      'ghost-file-a.img',
      'ghost-file-a',
      `${images}/ghost-file-a.img`,
    ];
    for (const [index, way] of ways.entries()) {
      const to = `${folder}/to-${index}`;
      const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to, '--ghost', way]);
      assert.equal(status, 0, stderr);
      assert.deepEqual(fs.readdirSync(to), ['ghost-0xa'], way);
      assert.equal(fs.readFileSync(`${to}/ghost-0xa`, 'utf8'), content);
    }
    for (const way of ['a', '1f', 'ghost-file-A.img', 'ghost-file-.img', '0', '-1', 'ghost-file-0.img'])
      assert.equal(
        ghostkeep(['restore', '-D', images, '--to', `${folder}/no`, `--ghost=${way}`]).status,
        2,
        way,
      );
  });
});

describe('--json', () => {
  const parse = (text: string) => JSON.parse(text) as Record<string, unknown>;

  it('when a command fails, stdout has the error as a document, and stderr the same in words', t => {
    const none = `${temporaryFolder(t)}/none`;
    for (const [args, code, status] of [
      [['scan', '--container', 'gk-none'], 'NOT_FOUND', 1],
      [['scan', '--bad'], 'USAGE', 2],
      [['dump', '--pid', '4194304', '-D', none], 'HOLDER_GONE', 1],
      [['recover', '--tree', '4194304', '--to', none], 'NOT_FOUND', 1],
      [['show', none], 'MANIFEST_MISSING', 1],
      [['seal', none], 'MANIFEST_MISSING', 1],
      [['materialize', none], 'MANIFEST_MISSING', 1],
      [['restore', '-D', none, '--to', `${none}-to`], 'MANIFEST_MISSING', 1],
    ] as const) {
      const run = ghostkeep([...args, '--json']);
      assert.equal(run.status, status, run.stderr);
      const { error } = parse(run.stdout) as { error: Record<string, string> };
      assert.equal(error['code'], code, run.stdout);
      assert.equal(run.stderr, `ghostkeep: ${error['message']} [${code}]\n`);
    }
  });

  it('every command takes --json, and its errors are JSON, or the table says why it has none', () => {
    for (const [name, { usage, example, jsonLines, noJson }] of Object.entries(commands)) {
      // The commands without an example are started by programs only, and have no --json.
      assert.equal(noJson === undefined, example !== undefined, name);
      assert.equal(/\[--json\]/.test(usage.split(' -- ')[0] ?? ''), noJson === undefined, name);
      // The first option that a command does not know is the one that is named.
      const rest = name === 'checkpoint' ? ['--', 'runc', 'checkpoint', 'web'] : [];
      const run = ghostkeep([name, '--json', '--gk-none', ...rest]);
      assert.equal(run.status, 2, name);
      if (noJson !== undefined) {
        assert.match(run.stderr, /'--json'/, name);
        assert.ok(ghostkeep([name, '--help']).stdout.replaceAll(/\s+/g, ' ').includes(noJson), name);
        continue;
      }
      const error = jsonLines
        ? (JSON.parse(run.stderr) as Record<string, string>)
        : (parse(run.stdout) as { error: Record<string, string> }).error;
      assert.equal(error['code'], 'USAGE', name);
      assert.match(error['message'] ?? '', /'--gk-none'/, name);
    }
  });

  it('explain, completion and man give one JSON document with --json, too', () => {
    const explained = parse(ghostkeep(['explain', 'IN_USE', '--json']).stdout);
    assert.deepEqual(Object.keys(explained), ['code', 'means', 'wayOut']);
    const { shell, script } = parse(ghostkeep(['completion', 'bash', '--json']).stdout);
    assert.deepEqual([shell, script], ['bash', ghostkeep(['completion', 'bash']).stdout]);
    const table = parse(ghostkeep(['man', '--json']).stdout)['commands'] as Record<
      string,
      { example?: string }
    >;
    assert.deepEqual(Object.keys(table), Object.keys(commands));
    assert.equal(table['show']?.example, commands['show']?.example);
  });

  it('when a command with --json succeeds, stdout is one document; when it finds damage, still only one', t => {
    const { folder, images } = dumped(t);
    assert.equal(parse(ghostkeep(['seal', images, '--json']).stdout)['state'], 'sealed');
    const restored = ['restore', '-D', images, '--to', `${folder}/to`, '--json'];
    const document = parse(ghostkeep(restored).stdout);
    assert.deepEqual(Object.keys(document), ['restored', 'failed']);
    assertDocument('RecoveryDocument', document, 'stdout', 'BAD_INPUT');
    const recovered = ['recover', '--pid', String(process.pid), '--to', `${folder}/saved`, '--json'];
    assertDocument('RecoveryDocument', parse(ghostkeep(recovered).stdout), 'stdout', 'BAD_INPUT');
    const again = parse(ghostkeep([...restored, '--keep-going']).stdout) as { failed: { code: string }[] };
    assert.deepEqual(
      again.failed.map(({ code }) => code),
      ['IO'],
    );
    assert.match(String(parse(ghostkeep(restored).stdout)['error']), /object/);
    fs.rmSync(`${images}/ghost-file-1.img`);
    assert.ok(parse(ghostkeep(['verify', images, '--json']).stdout)['damage']);
  });
});
