import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pages } from '../../scripts/docs.mjs';

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
        /^```sh$/.test(line) && !isSaid(lines[index - 1] ?? '') ? [`${name}:${index + 1}`] : [],
      );
    });
    assert.deepEqual(unsaid, []);
  });

  it('the README has at most 200 lines', () => {
    assert.ok(read('README.md').split('\n').length <= 201);
  });
});

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

/** `<!-- run by FILE … -->` names files that exist; `<!-- not run: REASON -->` has a reason. */
function isSaid(comment: string): boolean {
  const run = /^<!-- run by (.*) -->$/.exec(comment)?.[1];
  if (run === undefined) return /^<!-- not run: .{10,} -->$/.test(comment);
  return run.split(/,? and |, /).every(file => existsSync(path.join(top, file)));
}
