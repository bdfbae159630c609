/**
 * Comments are whole sentences that a newcomer understands at first reading. This test refuses the habits
 * that a pattern can find: a sentence that begins as a fragment, and phrases that hide who does what.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));
const folders = ['src', 'bench', 'native', 'scripts', 'test'];
/** This file: its samples are what the rules refuse. */
const own = 'test/unit/plain-english.test.ts';
/** Folders with files that nobody writes by hand. */
const notWritten = /(^|\/)(generated|node_modules|build|dist|blake3)\//;

/** A question may begin with these words; any other sentence that does lacks a subject or a verb. */
const fragment = /^(Of|What|Who|Whom|Whatever)\b.*(?<!\?)$/;
/** Phrases that say the thing around a corner, and the plain words for them. */
const riddles: [phrase: RegExp, plain: string][] = [
  [/\bstand(s|ing)? still\b/i, 'is frozen, are stopped'],
  [/\bwithout a word\b/i, 'without an answer, without `finish`'],
  [/\bworth a word\b/i, 'is logged, is reported'],
  [/\b(has|have) no word\b/i, 'does not say'],
  [/\b(is|are) the word on\b/i, 'decides'],
  [/\bthe word is\b/i, 'says'],
  [/\bnobody['’]s (way|business)\b/i, 'does no harm'],
  [/\bfor want of\b/i, 'for lack of'],
  [/\bto be had\b/i, 'available'],
  [/\b(is|are|was|were) said of (it|them)\b/i, 'we report'],
  [/\bwhom it belongs\b/i, 'its owner'],
  [/\bwhether it said so\b/i, 'with or without telling us'],
  [/\bbeliev(e|es|ed)\b/i, 'trust, rely on'],
];

interface Comment {
  line: number;
  text: string;
}

/** Comments that begin a line or follow code on it. Lines of `//` below each other are one comment. */
function commentsIn(source: string): Comment[] {
  const comments: Comment[] = [];
  const lines = source.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const start = at;
    const [, block] = /(?:^\s*|[;,{})\]]\s+)\/\*+(.*)$/.exec(lines[at] as string) ?? [];
    if (block !== undefined) {
      const parts = [block];
      while (!(parts.at(-1) as string).includes('*/') && at + 1 < lines.length)
        parts.push(lines[++at] as string);
      comments.push({ line: start + 1, text: parts.map(toText).join('\n') });
      continue;
    }
    const [, after] = /(?:^\s*|[;,{})\]]\s+)\/\/ ?(.*)$/.exec(lines[at] as string) ?? [];
    if (after === undefined) continue;
    const parts = [after];
    for (let next: string | undefined; ; parts.push(next)) {
      next = /^\s*\/\/ ?(.*)$/.exec(lines[at + 1] ?? '')?.[1];
      if (next === undefined) break;
      at += 1;
    }
    comments.push({ line: start + 1, text: parts.join('\n') });
  }
  return comments;
}

function toText(line: string): string {
  return line.replace(/\*\/.*$/, '').replace(/^\s*\*? ?/, '');
}

/** Sentences of a comment. An empty line, an item of a list and a tag (`@param`) each begin a new one. */
function sentencesOf({ text }: Comment): string[] {
  return text
    .split(/\n\s*\n|\n\s*(?=[-*] |@\w)/)
    .map(part => part.replaceAll(/\s+/g, ' ').trim())
    .flatMap(part => part.replace(/^[-*] /, '').split(/(?<=[.!?])\)? (?=[A-Z`])/));
}

function faultsIn(source: string): string[] {
  return commentsIn(source).flatMap(comment =>
    sentencesOf(comment).flatMap(sentence => {
      const riddle = riddles.find(([phrase]) => phrase.test(sentence));
      if (riddle) return [`${comment.line}: write "${riddle[1]}": ${sentence}`];
      return fragment.test(sentence) ? [`${comment.line}: a fragment: ${sentence}`] : [];
    }),
  );
}

/** A title is often read without its suite, so it must not begin with a pronoun that only the suite explains. */
const pronoun = /^(when )?(it|they|that one|this one)\b/i;

/** Titles of suites and tests that are written as one string. */
function faultsInTitles(source: string): string[] {
  return source.split('\n').flatMap((line, index) => {
    const [, title] = /^\s*(?:describe|it)\(\s*['"`](.*)$/.exec(line) ?? [];
    if (title === undefined) return [];
    if (pronoun.test(title)) return [`${index + 1}: a pronoun without a noun: ${title}`];
    const riddle = riddles.find(([phrase]) => phrase.test(title));
    return riddle ? [`${index + 1}: write "${riddle[1]}": ${title}`] : [];
  });
}

const files = folders
  .flatMap(folder =>
    (readdirSync(path.join(top, folder), { recursive: true }) as string[]).map(name => `${folder}/${name}`),
  )
  .filter(name => /\.(ts|c|h|mjs)$/.test(name) && !notWritten.test(name) && name !== own)
  .sort();

describe('plain English', () => {
  it('the sentences of a comment are whole and plain', () => {
    assert.ok(files.length > 100, `${files.length} files were found`);
    const faults = files.flatMap(name =>
      faultsIn(readFileSync(path.join(top, name), 'utf8')).map(fault => `${name}:${fault}`),
    );
    assert.deepEqual(faults, []);
  });

  it('a title says who or what without the suite around it', () => {
    const tests = files.filter(name => name.endsWith('.test.ts'));
    assert.ok(tests.length > 100, `${tests.length} files were found`);
    const faults = tests.flatMap(name =>
      faultsInTitles(readFileSync(path.join(top, name), 'utf8')).map(fault => `${name}:${fault}`),
    );
    assert.deepEqual(faults, []);
  });

  it('when a title begins with a pronoun or has a riddle, it is found', () => {
    const source = [
      "it('when it ends', () => {",
      'it("a list ends", () => {',
      'it(`the map is believed`, () => {',
    ];
    assert.deepEqual(
      faultsInTitles(source.join('\n')).map(fault => Number.parseInt(fault, 10)),
      [1, 3],
    );
  });

  it('when a sentence is a fragment, it is found in every kind of comment', () => {
    const source = [
      '/** What is left is the dump. */',
      'a(); // Of the descriptor.',
      'const url = "https://What.example";',
      'const glob = `$(find)/*/What is left.`;',
      '\tint fd; /* Whom it serves */',
      '/**',
      ' * It is long. What',
      ' * nobody took.',
      ' * @returns what was found',
      ' */',
      '// Who is it? What did it hold?',
      '// It waits while all stands still.',
    ];
    assert.deepEqual(
      faultsIn(source.join('\n')).map(fault => Number.parseInt(fault, 10)),
      [1, 2, 5, 6, 11],
    );
  });
});
