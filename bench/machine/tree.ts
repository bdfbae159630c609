/**
 * Programs that a bench compares with. Those that the machine has come from PATH. The others, and CRIU
 * always, come from a tree of Debian 13 that bench/build-tree unpacks once into the cache. A program of the
 * tree is started by the tree's own loader, so it needs no chroot and sees this machine's files.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findBeside } from '../../src/host/native/program-files.js';
import { missing } from './missing.js';

const multiarch: Record<string, string> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };
let found: string | undefined | null = null;
const used = new Map<string, readonly string[]>();

/** @returns the words that start the program; undefined when it is nowhere, which is reported */
export function findProgram(name: string): string[] | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']) {
    if (folder !== '' && isProgram(path.join(folder, name)))
      return noteProgram(name, [path.join(folder, name)]);
  }
  return findInTree(name);
}

export function findInTree(name: string): string[] | undefined {
  const tree = findTree();
  if (!tree) {
    missing(name, 'it is not installed, and there is no tree of Debian 13');
    return undefined;
  }
  const file = ['usr/sbin', 'usr/bin'].map(folder => path.join(tree, folder, name)).find(isProgram);
  if (file) return noteProgram(name, [...loader(tree), file]);
  missing(name, 'neither installed nor in the tree of Debian 13');
  return undefined;
}

/** The version of this program will be written beside the figures. */
export function noteProgram(name: string, words: string[]): string[] {
  used.set(name, words);
  return words;
}

export function programVersions(): Record<string, string> {
  return Object.fromEntries([...used].map(([name, words]) => [name, versionOf(words)]));
}

/** A number from the first line with a version that --version (lsof: -v, socat: -V) prints. */
function versionOf(words: readonly string[]): string {
  const option = { lsof: '-v', socat: '-V' }[path.basename(words.at(-1) ?? '')] ?? '--version';
  const { stdout, stderr } = spawnSync(words[0] as string, [...words.slice(1), option], { encoding: 'utf8' });
  const lines = `${stdout ?? ''}\n${stderr ?? ''}`.split('\n');
  return /[0-9]+(\.[0-9]+)+/.exec(lines.find(line => /[0-9]\.[0-9]/.test(line)) ?? '')?.[0] ?? 'unknown';
}

/** GHOSTKEEP_BENCH_TREE, or the tree in the cache, which is made when it does not exist. */
export function findTree(): string | undefined {
  if (found === null) found = process.env['GHOSTKEEP_BENCH_TREE'] || cachedTree();
  return found;
}

function cachedTree(): string | undefined {
  const recipe = findBeside('bench', 'build-tree');
  if (!recipe) return undefined;
  const key = createHash('sha256').update(fs.readFileSync(recipe)).digest('hex').slice(0, 16);
  const cache = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache');
  const tree = path.join(cache, 'ghostkeep/bench', key);
  if (fs.existsSync(tree)) return tree;
  process.stderr.write(`bench: unpacking Debian 13's programs into ${tree}\n`);
  const { status, error } = spawnSync(recipe, [tree], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return tree;
  missing('tree of Debian 13', error?.message ?? 'mmdebstrap could not make it (apt-get install mmdebstrap)');
  return undefined;
}

function loader(tree: string): string[] {
  for (const folder of ['usr/lib64', 'usr/lib']) {
    const name = fs.readdirSync(path.join(tree, folder)).find(entry => /^ld-linux-.*\.so\.\d$/.test(entry));
    if (name) {
      const libraries = path.join(tree, 'usr/lib', multiarch[process.arch] ?? process.arch);
      return [path.join(tree, folder, name), '--library-path', libraries];
    }
  }
  throw new Error(`${tree} has no ld-linux: remove it and it is made again`);
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
