/**
 * The gate's first look (native/gate/look) decides alone that there is surely no ghost. It may say so only
 * where the finder (src/ghost/find) finds no ghost and could look at everything.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeDev } from '../../src/base/units.js';
import { findGhosts } from '../../src/ghost/find/find.js';
import { isRoot } from './ghostkeep.js';
import { firstPid, oddityNames, World } from './made-up-processes.js';
import { holder } from './odd-holder.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const gate = path.join(top, 'native/gate');
const sources = fs
  .readdirSync(`${gate}/look`)
  .filter(name => name.endsWith('.c') && !['look.c', 'place.c'].includes(name));
/** Folders that look like /proc, in memory where there is such a folder. */
const scratch = fs.existsSync('/dev/shm') ? '/dev/shm' : '/tmp';

interface Mutation {
  file: string;
  from: string;
  to: string;
}

/** Compiles the look with MUTATION in it; files without a mutation are compiled once. */
class Builder {
  readonly #objects: string[] = [];

  constructor(private readonly folder: string) {
    fs.cpSync(`${gate}/look`, `${folder}/look`, { recursive: true });
    for (const name of sources) this.#objects.push(this.#compile(`look/${name}`));
    fs.copyFileSync(path.join(top, 'test/scenario/first-look.c'), `${folder}/main.c`);
    this.#objects.push(this.#compile('main.c'));
  }

  #cc(...words: string[]): void {
    const options = ['-std=gnu11', '-D_GNU_SOURCE', '-O1', '-w', `-I${this.folder}`];
    const { status, stderr } = spawnSync('cc', [...options, ...words], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }

  #compile(name: string): string {
    const object = `${this.folder}/${name}.o`;
    this.#cc('-c', '-o', object, `${this.folder}/${name}`);
    return object;
  }

  /** @returns the program */
  build(name: string, mutation?: Mutation): string {
    let objects = this.#objects;
    if (mutation) {
      const text = fs.readFileSync(`${gate}/look/${mutation.file}`, 'utf8');
      assert.equal(text.split(mutation.from).length, 2, `${mutation.from} is in ${mutation.file} once`);
      fs.writeFileSync(`${this.folder}/look/${name}.c`, text.replace(mutation.from, mutation.to));
      const mutated = this.#compile(`look/${name}.c`);
      objects = objects.map(object => (object.endsWith(`/${mutation.file}.o`) ? mutated : object));
    }
    this.#cc(
      '-Wl,--wrap=statx,--wrap=has_same_files,--wrap=bound_file,--wrap=folder_is_empty',
      '-o',
      `${this.folder}/${name}`,
      ...objects,
    );
    return `${this.folder}/${name}`;
  }
}

/**
 * @param folders that look like /proc
 * @returns first the device of memory, and then an answer for each folder
 */
function look(program: string, folders: readonly string[], pid = firstPid): string[] {
  const input = folders.map(each => `${each} ${pid}\n`).join('');
  const { status, stdout, stderr } = spawnSync(program, { input, encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 0, stderr);
  return stdout.trim().split('\n');
}

function temporary(t: TestContext): string {
  const folder = fs.mkdtempSync(`${scratch}/ghostkeep-first-look-`);
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function memoryOf(program: string): bigint {
  const [major = '', minor = ''] = (look(program, [])[0] ?? '').split(':');
  return makeDev(BigInt(major), BigInt(minor));
}

/** Why the first look must not say `nothing` about WORLD; undefined where it may. */
function whyNot(world: World): string | undefined {
  const processes = world.processes();
  const pids = processes.tree(firstPid);
  const found = findGhosts(processes, pids, undefined, { named: true });
  const { ghosts, named, lost, closed, unseen, servesFuse, apart } = found;
  const ours = ghosts.find(
    ({ keep, unrestorable, stat }) =>
      keep !== 'criu' || unrestorable !== undefined || stat.dev !== world.memory,
  );
  if (ours) return `the finder finds a ghost: ${ours.class}, ${ours.keep}, ${ours.why}`;
  if (named.length > 0) return 'the finder finds a named file on a shared /dev/shm';
  if (lost.length > 0) return 'the finder finds what cannot be copied of a shared /dev/shm';
  if (closed.files.length > 0) return 'the finder finds a closed file on a shared /dev/shm';
  if (unseen.length > 0) return `the finder cannot see ${unseen[0]?.what}: ${unseen[0]?.why}`;
  if (servesFuse) return 'the finder knows of a FUSE server';
  if (apart.size > 0) return 'the finder knows of a thread apart';
  return world.mustDoubt ? 'the finder finds nothing, but the first look has to doubt' : undefined;
}

/** @param count of worlds @returns how often each program said `nothing` where it must not */
function compare(t: TestContext, programs: readonly string[], count: number) {
  const memory = memoryOf(programs[0] as string);
  const wrong: string[][] = programs.map(() => []);
  const seen = new Map<string, number>();
  let nothing = 0;
  const folder = temporary(t);
  for (let from = 0; from < count; from += 500) {
    const worlds = Array.from({ length: Math.min(500, count - from) }, (_, i) => new World(from + i, memory));
    const folders = worlds.map(world => `${folder}/${world.number}`);
    for (const [i, world] of worlds.entries()) {
      world.write(folders[i] as string);
      for (const name of world.odd) seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    const reasons = worlds.map(whyNot);
    for (const [p, program] of programs.entries()) {
      const answers = look(program, folders).slice(1);
      assert.equal(answers.length, worlds.length);
      for (const [i, answer] of answers.entries()) {
        const { number, odd } = worlds[i] as World;
        const what = `world ${number} (${odd.join(', ')})`;
        if (answer === 'nothing' && reasons[i]) wrong[p]?.push(`${what}: ${reasons[i]}`);
        if (p === 0 && answer === 'nothing') nothing++;
        // A file on the container's own /dev/shm must not make the first look doubt, and neither must the
        // folder itself.
        const isClean = !reasons[i] && odd.every(name => name.endsWith(' /dev/shm'));
        if (p === 0 && isClean) assert.equal(answer, 'nothing', what);
      }
    }
    for (const each of folders) fs.rmSync(each, { recursive: true });
  }
  return { wrong, seen, nothing };
}

const mutations: Mutation[] = [
  { file: 'judge.c', from: 'file->links == 0', to: 'false' },
  { file: 'judge.c', from: 'if (looks_deleted(file->name))', to: 'if (false)' },
  { file: 'judge.c', from: 'if (looks_silly(file->name))', to: 'if (false)' },
  { file: 'judge.c', from: '".__afs",', to: '' },
  { file: 'judge.c', from: 'file->is_memory && file->mount', to: 'file->mount' },
  { file: 'judge.c', from: 'file->links != 1', to: 'file->links > 2' },
  { file: 'judge.c', from: 'FUSE_MINOR 229', to: 'FUSE_MINOR 228' },
  { file: 'judge.c', from: 'file->mount == MOUNT_SHM', to: 'false' },
  {
    file: 'judge.c',
    from: 'file->mount == MOUNT_SHM',
    to: 'S_ISREG(file->mode) && file->mount == MOUNT_SHM',
  },
  { file: 'mounts.c', from: 'shm.mounts[i].is_shared = true;', to: '{}' },
  { file: 'mounts.c', from: 'if (!empty)', to: 'if (false)' },
  { file: 'processes.c', from: 'look_at_shm(result)', to: 'false' },
  { file: 'mounts.c', from: '"zfs",', to: '"zfs", "nfs4",' },
  { file: 'mounts.c', from: '//deleted', to: '//removed' },
  { file: 'files.c', from: 'look_at_link(result, proc_fd, pid, "cwd")', to: 'false' },
  { file: 'files.c', from: 'look_at_link(result, proc_fd, pid, "exe")', to: 'false' },
  { file: 'judge.c', from: '"anon_inode:inotify"', to: '""' },
  { file: 'judge.c', from: '"anon_inode:[fanotify]"', to: '""' },
  { file: 'judge.c', from: 'return begins_with(path, start) &&', to: 'return false &&' },
  { file: 'files.c', from: 'return look_at_maps(result, proc_fd, pid)', to: 'return 0' },
  { file: 'files.c', from: 'if (!strcmp(label, last))', to: 'if (*last)' },
  { file: 'files.c', from: 'fd % share.count != share.index', to: 'fd % 2 != 0' },
  { file: 'processes.c', from: '!has_same_files(pid, tid)', to: 'false' },
  { file: 'processes.c', from: 'if (strcmp(namespace, other))', to: 'if (false)' },
  { file: 'processes.c', from: 'if (add_process(result, pid))', to: 'if (false)' },
];

describe('the first look of the gate', () => {
  let program = '';
  before(() => {
    program = new Builder(fs.mkdtempSync(`${scratch}/ghostkeep-first-look-`)).build('first-look');
  });
  after(() => fs.rmSync(path.dirname(program), { recursive: true }));

  it('the look says `nothing` about 10,000 made-up processes only where the finder finds no ghost and could look at everything', t => {
    const { wrong, seen, nothing } = compare(t, [program], 10_000);
    assert.deepEqual(wrong[0], []);
    for (const name of oddityNames) assert.ok((seen.get(name) ?? 0) > 100, `${name} is in many of them`);
    assert.ok(nothing > 2000, `${nothing} have nothing`);
  });

  it('the comparison with the finder notices when any one rule of the look is missing', t => {
    const builder = new Builder(temporary(t));
    const programs = [undefined, ...mutations].map((mutation, i) => builder.build(`mutated-${i}`, mutation));
    const { wrong } = compare(t, programs, 1500);
    for (const [i, { file, from }] of mutations.entries())
      assert.notDeepEqual(wrong[i + 1], [], `${file} without ${from}`);
  });

  const nothing = [
    'true',
    'exec 5>named',
    'exec 5<>/dev/null',
    'mkfifo pipe; exec 5<>pipe',
    'sleep 600 & true',
  ];
  const ghosts: Record<string, string> = {
    'a descriptor': 'exec 5>gone; rm gone',
    'a folder': 'mkdir gone; exec 5<gone; rmdir gone',
    'a working directory': 'mkdir gone; cd gone; rmdir ../gone',
    'a FIFO': 'mkfifo gone; exec 5<>gone; rm gone',
    'a link': 'echo x >one; ln one two; exec 5<one; rm one',
    'a child':
      '(exec 5>gone; rm gone; exec sleep 600) & until [ ! -e gone ] && [ -e /proc/$!/fd/5 ]; do :; done',
    'a mapped program':
      'cp "$(command -v sleep)" gone; ./gone 600 & until [ "$(readlink /proc/$!/exe)" = "$PWD/gone" ]; do :; done; rm gone',
    'a child in another namespace':
      'unshare -m sleep 600 & until [ "$(readlink /proc/$!/ns/mnt)" != "$(readlink /proc/$$/ns/mnt)" ]; do :; done',
  };

  it('when real processes hold no ghost, the look says `nothing`', {
    skip: !isRoot && 'not root',
  }, async t => {
    for (const script of nothing) {
      const { pid } = await holder(t, script);
      assert.deepEqual(look(program, ['/proc'], pid).slice(1), ['nothing'], script);
    }
  });

  for (const [what, script] of Object.entries(ghosts))
    it(`when ${what} of a real process is a ghost's, the look doubts`, {
      skip: !isRoot && 'not root',
    }, async t => {
      const { pid } = await holder(t, script);
      assert.match(look(program, ['/proc'], pid)[1] ?? '', /^doubt: /);
    });
});
