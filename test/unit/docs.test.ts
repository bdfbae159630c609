import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pages } from '../../scripts/docs.mjs';
import { commands } from '../../src/cli/commands.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => readFileSync(path.join(top, name), 'utf8');
const docs = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'ARCHITECTURE.md'].concat(
  readdirSync(path.join(top, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
);

describe('the documentation', () => {
  it('when the code changes, the generated parts of pages change with it', () => {
    const made = pages();
    assert.ok(made.size >= 4, `${made.size} pages were made`);
    for (const [name, text] of made)
      assert.equal(read(name), text, `${name} is stale: node --import tsx scripts/docs.mjs`);
  });

  it('when a page links to a file or a heading, the target exists', () => {
    const broken = docs.flatMap(name =>
      [...read(name).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)]
        .map(([, target]) => target as string)
        .filter(target => !isThere(name, target))
        .map(target => `${name} links to ${target}`),
    );
    assert.deepEqual(broken, []);
  });

  it('when a page shows commands, it names the test that runs them or says why none does', () => {
    const unsaid = docs.flatMap(name => {
      const lines = read(name).split('\n');
      return lines.flatMap((line, index) =>
        /^```sh$/.test(line) && !isSaid(lines[index - 1] ?? '', name) ? [`${name}:${index + 1}`] : [],
      );
    });
    assert.deepEqual(unsaid, []);
  });

  it('when a page shows a command of ghostkeep, there is such a command, and it takes the options', () => {
    const shown = docs.flatMap(name => commandsIn(read(name)).map(words => ({ name, words })));
    assert.ok(shown.length > 100, `${shown.length} commands were found`);
    const wrong = shown.flatMap(({ name, words }) =>
      faultsOf(words).map(fault => `${name}: ghostkeep ${words}: ${fault}`),
    );
    assert.deepEqual(wrong, []);
    assert.deepEqual(
      commandsIn('`ghostkeep scan --tpo 3 | cat --none` and `ghostkeep scna`').flatMap(faultsOf),
      ['no option --tpo', 'no such command'],
    );
  });

  it('the README has at most 200 lines', () => {
    assert.ok(read('README.md').split('\n').length <= 201);
  });
});

/** The words behind `ghostkeep` in blocks of commands and in code between words, up to the end of each command. */
function commandsIn(page: string): string[] {
  const text = page.replaceAll('\\\n', '');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block as string);
  const spans = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
  return [...blocks.join('').split('\n'), ...spans].flatMap(line =>
    [...(line ?? '').replace(/(^|\s)#\s.*$/, '').matchAll(/(?<![\w/.-])ghostkeep ([a-z][^|;&']*)/g)].map(
      ([, words]) => words as string,
    ),
  );
}

/** Options behind ` -- ` are those of a runtime. */
function faultsOf(words: string): string[] {
  const [name = '', ...rest] = (words.split(' -- ')[0] as string).trim().split(/\s+/);
  const usage = commands[name]?.usage;
  if (usage === undefined) return ['no such command'];
  return rest
    .map(word => /^--[a-z][a-z-]*/.exec(word)?.[0])
    .filter(option => option !== undefined && option !== '--help')
    .filter(option => !new RegExp(`${option}(?![\\w-])`).test(usage))
    .map(option => `no option ${option}`);
}

function isThere(from: string, target: string): boolean {
  const [file, heading] = target.split('#') as [string, string | undefined];
  const name = file === '' ? from : path.join(path.dirname(from), file);
  if (!existsSync(path.join(top, name))) return false;
  const headings = () =>
    [...read(name).matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
      (text as string)
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
  return heading === undefined || headings().includes(heading);
}

/**
 * `<!-- run by FILE … -->` names files that take the commands from the page, so they name the page.
 * `<!-- run in other words by FILE …: REASON -->` names files that exist, and why they have other words.
 * `<!-- not run: REASON -->` has a reason.
 */
function isSaid(comment: string, page: string): boolean {
  const [, others, run, reason = ''] =
    /^<!-- run (in other words )?by ([^:]*)(?:: (.*))? -->$/.exec(comment) ?? [];
  if ((others === undefined) !== reason.length < 10) return false;
  if (run === undefined) return /^<!-- not run: .{10,} -->$/.test(comment);
  const files = run.split(/,? and |, /);
  if (!files.every(file => existsSync(path.join(top, file)))) return false;
  return others !== undefined || files.every(file => read(file).includes(page));
}
