/** The house's own rules: ARCHITECTURE.md, Rooms; CONTRIBUTING.md, How we write. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../../src', import.meta.url));

/**
 * Which folders a folder may import from, itself aside. hooks/ is not TypeScript and only starts the program.
 */
const allowed: Record<string, string[]> = {
  // The cli may import from outside src only the types of the bench, which is a bundle of its own.
  cli: ['flows', 'ghost', 'chain', 'criu', 'oci', 'move', 'image', 'host', 'base', '..'],
  flows: ['ghost', 'chain', 'criu', 'oci', 'move', 'image', 'base'],
  ghost: ['image', 'base'],
  chain: ['image', 'base'],
  criu: ['image', 'base'],
  oci: ['image', 'base'],
  move: ['image', 'base'],
  image: ['base'],
  host: ['base'],
  base: [],
};
/**
 * The rooms of a folder, in the order in which their data flows: a room imports from those before it and from
 * the folder's own files, if these come first. `.` is the folder itself. Rooms in one line do not import from
 * each other.
 */
const rooms: Record<string, string[][]> = {
  base: [['documents/generated'], ['.'], ['documents', 'text'], ['host']],
  cli: [
    ['print'],
    ['page/generated'],
    ['page'],
    ['log', 'ending'],
    ['.'],
    ['options', 'generate', 'progress'],
    ['listen'],
    ['commands'],
  ],
  criu: [['generated'], ['.'], ['stream']],
  flows: [
    ['.'],
    ['container'],
    ['container/pause'],
    ['directory'],
    ['bases'],
    ['scan', 'choose'],
    ['prepared'],
    ['dump'],
    ['seal', 'rounds'],
    ['chain'],
    ['check'],
    ['restore'],
    ['look'],
    ['recover', 'history', 'receive', 'move'],
    ['dedup', 'forget'],
    ['gate/ahead'],
    ['gate', 'hooks', 'try-hooks'],
    ['try-hooks/restored', 'try-hooks/runc', 'try-hooks/others'],
    ['doctor/look'],
    ['doctor/trial', 'doctor/left'],
    ['doctor/examinations'],
    ['doctor'],
  ],
  ghost: [['.'], ['mounts'], ['find']],
  bench: [['content'], ['machine'], ['report'], ['.'], ['suites', 'move']],
  host: [['records'], ['native'], ['files'], ['archive', 'pin'], ['engine'], ['proc'], ['.']],
};
/** Files that start a sequence of steps: they may call every room of their folder. */
const doors = new Set([
  'cli/main.ts',
  'cli/commands.ts',
  'flows/try-hooks/trial.ts',
  'bench/main.ts',
  'bench/suites.ts',
]);
/** A room has at most this many files side by side, because more are no longer found by looking. */
const mostSideBySide = 12;
const crowded: Record<string, string> = {
  'src/cli/commands': 'a file for each command, by its name',
  'bench/suites': 'a file for each suite, by its name',
};
/** Tests of more than one unit, or of a part of one that is large enough for a file of its own. */
const aside: Record<string, string> = {
  'cli/printing.ts': 'the lines that commands print, of line.ts, table.ts and show.ts',
  'flows/history/hostile-manifests.ts': 'all commands of a history before manifests of a stranger',
  'flows/hooks/hooks.ts': 'prestart and poststop, one after the other',
  'flows/receive/cuts.ts': 'rounds to a receiver whose connections are cut',
  'flows/receive/hostile.ts': 'a receiver with a hostile sender',
  'flows/seal/seal-links.ts': 'the seal of linked ghosts',
  'host/files/make-names-race.ts': 'make-names.ts while somebody swaps folders',
  'move/hostile.ts': 'reader.ts with frames of a hostile sender',
  'host/native/exit.ts': 'exitAtOnce of libc.ts, in a process of its own',
};
const widest = 110;

/** Modules of Node that act on the machine: only host may, and the cli, which owns argv, stdin and exit. */
const acts = /^node:(fs|child_process|net|process|worker_threads|http|os)(\/|$)/;
const mayAct: Record<string, RegExp> = {
  host: /./,
  cli: /./,
  // The folders flows and base may import node:os, because they only ask how many processors there are and
  // what errno 116 is called. Asking changes nothing on the machine.
  flows: /^node:os$/,
  base: /^node:os$/,
};
const longest = 300;

const files = (readdirSync(source, { recursive: true }) as string[])
  .filter(name => /\.[jt]s$/.test(name))
  .sort();
const ours = files.filter(name => !name.includes('/generated/'));
/** Files that are written by hand in src and bench; native-house.test.ts looks at native. */
const top = path.dirname(source);
const sources = ['src', 'bench'].flatMap(folder =>
  (readdirSync(path.join(top, folder), { recursive: true }) as string[])
    .filter(name => /\.ts$/.test(name))
    .map(name => path.join(folder, name)),
);
const isWritten = (name: string) => !name.includes('/generated/');
const linesOf = (name: string) => readFileSync(path.join(top, name), 'utf8').split('\n');
/** Text in quotes may be wider: a message is found by searching for it as a whole. A comment has no message. */
const isWide = (line: string) =>
  line.length > widest && (/^\s*(\/?\*|\/\/)/.test(line) || !/['"`]/.test(line));
const roomOf = (name: string) => path.dirname(name).split('/').slice(1).join('/') || '.';
const folderOf = (name: string) => name.split('/')[0] as string;
const textOf = (name: string) => readFileSync(path.join(source, name), 'utf8');

interface Import {
  from: string;
  to: string;
}

/** Static and dynamic imports. An import of a type makes one folder depend on another just as much. */
function importsOf(name: string, text = textOf(name)): Import[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|(?:^|[^.\w])import\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map(([, from, dynamic]) => ({
    from: name,
    to: (from ?? dynamic) as string,
  }));
}

const imports = ours.flatMap(name => importsOf(name));
const folderImports = imports
  .filter(({ to }) => to.startsWith('.'))
  .map(({ from, to }) => ({ from, to: path.normalize(path.join(path.dirname(from), to)) }));
const benchImports = sources
  .filter(name => name.startsWith('bench/'))
  .flatMap(name => importsOf(name, linesOf(name).join('\n')))
  .filter(({ to }) => to.startsWith('.'))
  .map(({ from, to }) => ({ from, to: path.normalize(path.join(path.dirname(from), to)) }));
const show = ({ from, to }: Import) => `${from} imports ${to}`;

describe('the rules of the house', () => {
  it('a file imports only from folders that the design allows', () => {
    assert.ok(folderImports.length > 100, `${folderImports.length} imports were found`);
    const wrong = folderImports.filter(({ from, to }) => {
      const [own, other] = [folderOf(from), folderOf(to)];
      return own !== other && !allowed[own]?.includes(other);
    });
    assert.deepEqual(wrong.map(show), []);
  });

  it('a room imports only from rooms that come before it', () => {
    const wrong = [...folderImports, ...benchImports].filter(({ from, to }) => {
      const top = folderOf(from);
      const order = rooms[top];
      if (top !== folderOf(to) || !order || doors.has(from)) return false;
      const [own, other] = [roomOf(from), roomOf(to)];
      const rank = (room: string) => order.findIndex(line => line.includes(room));
      return own !== other && (rank(own) < 0 || rank(other) < 0 || rank(other) >= rank(own));
    });
    assert.deepEqual(wrong.map(show), []);
  });

  it('a folder has at most twelve files', () => {
    const counts = new Map<string, number>();
    for (const name of sources.filter(isWritten))
      counts.set(path.dirname(name), (counts.get(path.dirname(name)) ?? 0) + 1);
    const full = [...counts].filter(([room, count]) => count > mostSideBySide && !(room in crowded));
    assert.deepEqual(full, []);
  });

  it('a line has at most 110 characters', () => {
    const wide = sources
      .filter(isWritten)
      .flatMap(name =>
        linesOf(name).flatMap((line, index) => (isWide(line) ? [`${name}:${index + 1}`] : [])),
      );
    assert.deepEqual(wide, []);
  });

  it('a call of ours names what it passes true or false for', () => {
    const ofLibraries = /\b(?:resolve|setNoDelay|setKeepAlive|gc)\((?:true|false)/;
    const bare = /^\s*(?:true|false),$|[\w)\]}]\((?:[^()=:?]*, )?(?:true|false)[,)]|[^:?]+, (?:true|false)\)/;
    const wrong = sources
      .filter(name => isWritten(name) && /^(?:src|bench)\/.*\.ts$/.test(name))
      .flatMap(name =>
        linesOf(name).flatMap((line, index) =>
          bare.test(line) && !ofLibraries.test(line) ? [`${name}:${index + 1}`] : [],
        ),
      );
    assert.deepEqual(wrong, []);
  });

  it('a document that a comment cites exists in the repository', () => {
    const missing = sources.filter(isWritten).flatMap(name =>
      [
        ...readFileSync(path.join(top, name), 'utf8').matchAll(
          /(?<![\w/.-])(?:docs|src|native|test|bench|schemas|hooks)\/[\w./-]+\.(?:md|ts|c|h|json|sh)\b/g,
        ),
      ]
        .map(([cited]) => cited)
        .filter(cited => !existsSync(path.join(top, cited)))
        .map(cited => `${name} cites ${cited}`),
    );
    assert.deepEqual(missing, []);
  });

  it('a test file lies at the same place below test/unit as its unit below src', () => {
    const units = path.join(top, 'test', 'unit');
    const strays = (readdirSync(units, { recursive: true }) as string[])
      .filter(name => name.includes('/') && name.endsWith('.test.ts'))
      .map(name => name.replace(/\.test\.ts$/, '.ts'))
      .filter(name => !existsSync(path.join(top, name.startsWith('bench/') ? '' : 'src', name)))
      .filter(name => !(name in aside));
    assert.deepEqual(strays, []);
  });

  it('every folder has a rule for what it may import', () => {
    assert.deepEqual(
      [...new Set(files.map(folderOf))].filter(folder => !(folder in allowed)),
      [],
    );
  });

  it('only host and cli import modules that act on the machine', () => {
    const wrong = imports.filter(({ from, to }) => acts.test(to) && !mayAct[folderOf(from)]?.test(to));
    assert.deepEqual(wrong.map(show), []);
  });

  it('only the modules for our library and for libc call C', () => {
    const callers = ours.filter(name => /['"]koffi['"]|loadKoffi/.test(textOf(name)));
    const loader = 'host/native/program-files.ts';
    assert.deepEqual(callers, ['host/native/libc.ts', 'host/native/load-library.ts', loader]);
  });

  it('no file imports itself through others', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of [...folderImports, ...benchImports])
      edges.set(from, [...(edges.get(from) ?? []), to.replace(/\.js$/, '.ts')]);
    const done = new Set<string>();
    const visit = (name: string, trail: string[]): void => {
      assert.ok(!trail.includes(name), `a circle: ${[...trail, name].join(' → ')}`);
      if (done.has(name)) return;
      for (const next of edges.get(name) ?? []) visit(next, [...trail, name]);
      done.add(name);
    };
    for (const name of edges.keys()) visit(name, []);
  });

  it('a file has at most 300 lines, because a longer one has two ideas', () => {
    const long = sources.filter(isWritten).filter(name => linesOf(name).length > longest);
    assert.deepEqual(long, []);
  });

  it("a file's name says what is in it: no utils, common, manager or helper", () => {
    assert.deepEqual(
      files.filter(name => /(^|[/-])(utils?|common|managers?|helpers?)(?=[.-])/.test(name)),
      [],
    );
  });

  it('only the cli prints and ends the program', () => {
    const wrong = ours.filter(
      name =>
        folderOf(name) !== 'cli' && /\bconsole\.|process\.(exit|stdout|stderr|stdin)\b/.test(textOf(name)),
    );
    assert.deepEqual(wrong, []);
  });
});
