/** The rules of the house for C: CONTRIBUTING.md, How we write; ARCHITECTURE.md, Rooms. house.test.ts looks at src. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const native = fileURLToPath(new URL('../../native', import.meta.url));

/** The rooms of a part, in the order in which calls go down: a room includes from those before it. */
const rooms: Record<string, string[][]> = {
  engine: [
    ['base'],
    ['map', 'attributes'],
    ['copy', 'proc', 'fds'],
    ['image'],
    ['layer', 'move'],
    ['receive', 'dedup'],
  ],
  gate: [['criu'], ['helper'], ['look'], ['.']],
  hook: [['bases'], ['.']],
  workload: [['.']],
};
/** Headers that no .c stands beside. */
const alone: Record<string, string> = {
  'engine/base/progress.h': 'two inline functions',
  'engine/map/walk-state.h': 'the state that the walk and its three engines share',
  'engine/copy/copier.h': 'the state that both ways of copying share',
  'engine/image/dump.h': 'the state of a dump',
  'engine/image/format.h': 'numbers of a file format',
  'engine/layer/layer-format.h': 'numbers of a file format',
  'workload/workload.h': 'the types that all files of the program share',
};
/**
 * A .c without a header may define only functions that are found by name alone: those of GK_PUBLIC, and
 * these.
 */
const entries: Record<string, RegExp> = {
  'gate/plugin.c': /^(CR_PLUGIN_DESC|cr_\w+|before_criu_calls)$/,
  'hook/main.c': /^main$/,
  'workload/main.c': /^main$/,
};
const mostSideBySide = 12;
const longest = 300;
const widest = 110;
/** JavaScript calls the library's public functions, and passes words more cheaply than it fills a struct. */
const mostParameters = { public: 9, other: 7 };

const files = (readdirSync(native, { recursive: true }) as string[])
  .filter(name => /(\.c|\.h|\.mk|(^|\/)Makefile)$/.test(name))
  // The library is as its authors wrote it (native/blake3/README.md).
  .filter(name => !name.startsWith('blake3/'))
  .sort();
const textOf = (name: string) => readFileSync(path.join(native, name), 'utf8');
const linesOf = (name: string) => textOf(name).split('\n');
const partOf = (name: string) => name.split('/')[0] as string;
const roomOf = (name: string) => path.dirname(name).split('/').slice(1).join('/') || '.';
const stemOf = (name: string) => name.replace(/\.[ch]$/, '');
const sources = files.filter(name => name.endsWith('.c'));
const headers = files.filter(name => name.endsWith('.h') && partOf(name) !== 'include');

/**
 * A declaration begins in the first column and has an argument list: its name, the words before it, and how
 * many parameters it has.
 */
function functionsIn(
  name: string,
): { name: string; words: string; parameters: number; isDeclared: boolean }[] {
  const text = textOf(name).replace(/\/\*[\s\S]*?\*\//g, '');
  return [
    ...text.matchAll(
      /^((?:[A-Za-z_]\w*[ *]+)+)([A-Za-z_]\w*)\(([^{};]*?)\)[^{};()]*(?:\([^{};]*\))?\s*([{;])/gm,
    ),
  ].map(([, words, name, parameters = '', end]) => ({
    name: name as string,
    words: words as string,
    parameters: parameters.split(',').length,
    isDeclared: end === ';',
  }));
}

/**
 * Edges between files of native/, X.c and X.h being one. A header is looked for in its own folder, then in
 * its part.
 */
const includes = [...sources, ...headers].flatMap(from =>
  [...textOf(from).matchAll(/^#include "([^"]+)"/gm)].flatMap(([, header = '']) => {
    const candidates = [path.join(path.dirname(from), header), path.join(partOf(from), header)];
    const to = candidates.find(one => headers.includes(one));
    return to === undefined || stemOf(to) === stemOf(from) ? [] : [{ from, to }];
  }),
);

describe('the rules of native/', () => {
  it('a folder has at most twelve .c files', () => {
    const counts = new Map<string, number>();
    for (const name of sources) counts.set(path.dirname(name), (counts.get(path.dirname(name)) ?? 0) + 1);
    assert.deepEqual(
      [...counts].filter(([, count]) => count > mostSideBySide),
      [],
    );
  });

  it('a function that other files call is declared in the header beside its file', () => {
    const wrong = sources.flatMap(source => {
      const shown = functionsIn(source).filter(
        ({ words, isDeclared }) => !isDeclared && !/\bstatic\b/.test(words),
      );
      const header = `${stemOf(source)}.h`;
      const declared = headers.includes(header) ? functionsIn(header).map(({ name }) => name) : [];
      return shown
        .filter(({ name, words }) => !/\bGK_PUBLIC\b/.test(words) && !entries[source]?.test(name))
        .filter(({ name }) => !declared.includes(name))
        .map(({ name }) => `${source}: ${name}`);
    });
    assert.deepEqual(wrong, []);
  });

  it('a function that a header declares is defined in the file beside it', () => {
    const wrong = headers.flatMap(header => {
      const source = `${stemOf(header)}.c`;
      if (!sources.includes(source)) return header in alone ? [] : [`${header}: no .c beside it`];
      const defined = functionsIn(source).map(({ name }) => name);
      return functionsIn(header)
        .filter(({ name, isDeclared }) => isDeclared && !defined.includes(name))
        .map(({ name }) => `${header}: ${name}`);
    });
    assert.deepEqual(wrong, []);
    assert.ok(headers.flatMap(functionsIn).length > 80, 'the pattern finds functions');
  });

  it('a function with many parameters takes a struct instead', () => {
    const wrong = sources.flatMap(source =>
      functionsIn(source)
        .filter(({ words, parameters }) => {
          return parameters > mostParameters[/\bGK_PUBLIC\b/.test(words) ? 'public' : 'other'];
        })
        .map(({ name, parameters }) => `${source}: ${name} has ${parameters}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('a room includes only rooms that come before it', () => {
    const wrong = includes.filter(({ from, to }) => {
      const [own, other] = [roomOf(from), roomOf(to)];
      const rank = (room: string) => rooms[partOf(from)]?.findIndex(line => line.includes(room)) ?? -1;
      return own !== other && (rank(own) < 0 || rank(other) < 0 || rank(other) >= rank(own));
    });
    assert.deepEqual(wrong, []);
    assert.ok(includes.length > 100, `${includes.length} includes were found`);
  });

  it('no file includes itself through others', () => {
    const done = new Set<string>();
    const visit = (stem: string, trail: string[]): void => {
      assert.ok(!trail.includes(stem), `a circle: ${[...trail, stem].join(' → ')}`);
      if (done.has(stem)) return;
      for (const { from, to } of includes) if (stemOf(from) === stem) visit(stemOf(to), [...trail, stem]);
      done.add(stem);
    };
    for (const name of sources) visit(stemOf(name), []);
  });

  it('a document that a comment cites exists in the repository', () => {
    const cited = files.flatMap(name =>
      [
        ...textOf(name).matchAll(
          /(?<![\w/.-])(?:docs|src|native|test|bench|schemas|hooks|scripts)\/[\w./-]+\.(?:md|ts|mjs|c|h|json|sh)\b/g,
        ),
      ].map(([found]) => ({ name, found })),
    );
    assert.ok(cited.length > 5, `${cited.length} were found`);
    assert.deepEqual(
      cited.filter(({ found }) => !existsSync(path.join(native, '..', found))),
      [],
    );
  });

  it('a line has at most 110 characters, except a text in quotes', () => {
    const wide = files.flatMap(name =>
      linesOf(name).flatMap((line, index) =>
        line.length > widest && !line.includes('"') ? [`${name}:${index + 1}`] : [],
      ),
    );
    assert.deepEqual(wide, []);
  });

  it('a file has at most 300 lines, because a longer one has two ideas', () => {
    assert.deepEqual(
      files.filter(name => linesOf(name).length > longest),
      [],
    );
  });
});
