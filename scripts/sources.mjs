// The build records the content of the sources that dist/ and build/ were made from. Times of files would not
// do: tar, rsync and cp -p bring old times, copying a tree mixes the times up, and a file that was removed or
// renamed has no time.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const parts = [
  'src',
  'native',
  'schemas',
  'bench',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
];
/* Files that the build or the bench writes itself. */
const notSources = name =>
  name.endsWith('/generated') || ['bench/results', 'native/gate/build-id'].includes(name);
const stampName = path.join('build', '.built');
const made = [
  'dist/ghostkeep.mjs',
  'build/libghostkeep.so',
  'build/ghostkeep.so',
  'build/ghostkeep-hook',
  'build/ghost-workload',
  'native/gate/build-id',
  'src/base/documents/generated/validators.js',
  'src/criu/generated',
  'src/cli/page/generated/texts.ts',
];

/** @returns a Map of the name of each file to its SHA-256 */
export function readSources(top) {
  const found = new Map();
  const visit = name => {
    const file = path.join(top, name);
    for (const entry of readdirSync(file, { withFileTypes: true })) {
      const inner = `${name}/${entry.name}`;
      if (notSources(inner)) continue;
      if (entry.isDirectory()) visit(inner);
      else if (entry.isFile()) found.set(inner, hashOf(path.join(top, inner)));
    }
  };
  for (const part of parts) {
    if (/\.json$/.test(part)) found.set(part, hashOf(path.join(top, part)));
    else visit(part);
  }
  return found;
}

/* Says in a line why the build of a tree was not made from its sources; undefined when it was. */
export function whyBuildIsOld(top) {
  const missing = made.find(name => !existsSync(path.join(top, name)));
  if (missing !== undefined) return `there is no ${missing}`;
  const before = readStamp(top);
  if (before === undefined) return 'a build was not finished';
  const [first, ...others] = changedSources(before, readSources(top));
  if (first === undefined) return undefined;
  return `${first}${others.length > 0 ? ` and ${others.length} more` : ''} changed`;
}

/* Names a build: whatever is made from the same sources has the same name. */
export function buildIdOf(sources) {
  const lines = [...sources].map(([name, hash]) => `${hash}  ${name}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex').slice(0, 16);
}

/* Lists the names that are in only one map or have different content. */
export function changedSources(before, after) {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    name => before.get(name) !== after.get(name),
  );
}

/** @returns the sources of the last build that was finished, or undefined */
export function readStamp(top) {
  try {
    const lines = readFileSync(path.join(top, stampName), 'utf8').split('\n').filter(Boolean);
    return lines.length > 0 ? new Map(lines.map(line => line.split('  ').reverse())) : undefined;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * @param sources as they were before the build, so that a file edited while it runs is built the next time
 */
export function writeStamp(top, sources) {
  mkdirSync(path.join(top, 'build'), { recursive: true });
  const lines = [...sources].map(([name, hash]) => `${hash}  ${name}\n`);
  writeFileSync(path.join(top, stampName), lines.join(''));
}

export function removeStamp(top) {
  rmSync(path.join(top, stampName), { force: true });
}

function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
