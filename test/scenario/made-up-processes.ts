/**
 * Made-up processes, for the gate's first look and for the finder. Both get the same ones: the first look as
 * a folder that looks like /proc, the finder as FakeProcesses.
 */
import fs from 'node:fs';
import type { Mount } from '../../src/base/host/host.js';
import { makeDev } from '../../src/base/units.js';
import { parseMountinfo } from '../../src/host/proc/mountinfo.js';
import {
  type FakeFile,
  type FakeProcess,
  FakeProcesses,
  fakeFile,
  type Opened,
  opened,
} from '../unit/fake-processes.js';
import { MemoryFiles } from '../unit/memory-files.js';

export const firstPid = 100;

/** Numbers that are the same in every run. Source: mulberry32. */
export class Dice {
  constructor(private state: number) {}

  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }
}

/** File systems by the id of their mount; 99 is in no table. */
const mounts: Record<number, string> = {
  30: 'ext4',
  31: 'overlay',
  32: 'tmpfs',
  33: 'xfs',
  34: 'proc',
  35: 'tmpfs',
  40: 'nfs4',
  41: 'fuse',
  42: 'fuse.sshfs',
  43: 'cifs',
  44: '9p',
  45: 'afs',
  46: 'fuseblk',
  47: 'new-in-2030',
};
const clean = [30, 31, 32, 33];
const odd = [40, 41, 42, 43, 44, 45, 46, 47, 99];
const [regular, folder, device, fifo, link, block] = [
  0o100644, 0o040755, 0o020666, 0o010644, 0o120777, 0o060660,
];
const hex = '0123456789abcdef01234567';
const sillyNames = [
  `/d/.nfs${hex}`,
  `/d/.NFS${hex.toUpperCase()}`,
  '/d/.fuse_hidden0000000100000001',
  '/d/.__afs1234',
  '/d/.__smbfile_silly0123abcd',
  '/d/.ghost-ntfs-3g-00000000000000000001',
];

interface Held {
  link: string;
  mode: number;
  nlink: number;
  name: string;
  mount: number;
  dev: bigint;
  rdev: bigint;
  error?: string;
}

/** The ids of two mounts of one file system: that at /dev/shm of the processes, and ours. */
const [shm, ours] = [35, 50];
/** The path at which we see this file system. */
const pod = '/pods/shm';
const onShm = { mount: shm, dev: makeDev(0n, 35n) };

/** Makes something odd. The first look has to doubt where `doubt` is set, whatever the finder finds. */
type Oddity = (file: Held, world: World, dice: Dice) => { doubt: boolean };

const oddities: Record<string, Oddity> = {
  'no link': file => set(file, { nlink: 0, name: `${file.name} (deleted)` }),
  // A process whose root is elsewhere sees /dev/shm elsewhere, too.
  'a file on /dev/shm': (file, _, dice) =>
    file.link === 'root'
      ? { doubt: false }
      : set(file, { ...onShm, name: '/dev/shm/x', mode: dice.one([regular, folder, fifo]), nlink: 1 }, false),
  'the folder /dev/shm': file =>
    file.link === 'root'
      ? { doubt: false }
      : set(file, { ...onShm, name: '/dev/shm', mode: folder, nlink: 1 }, false),
  'a socket in a folder of /dev/shm': (_, world) =>
    set(world, { socket: { name: '/dev/shm/d/s', nlink: 1 } }, false),
  'a socket that is elsewhere or gone': (_, world, dice) =>
    set(
      world,
      {
        socket: dice.one([
          { name: '/dev/shm/d/s', nlink: 0 },
          { name: '/dev/shm/s', nlink: 1 },
        ]),
      },
      false,
    ),
  'a watch of inotify': (_, world) =>
    set(world, { watch: `inotify wd:1 ino:7 sdev:${shm.toString(16)}` }, false),
  'a watch of fanotify': (_, world) =>
    set(world, { watch: `fanotify ino:7 sdev:${shm.toString(16)}` }, false),
  'a closed file on /dev/shm': (_, world) => set(world, { hasClosed: true }, false),
  'no link, and a name': file => set(file, { nlink: 0 }),
  'a deleted name, and links': file => set(file, { name: `${file.name} (deleted)` }),
  'a silly name': (file, _, dice) => set(file, { name: dice.one(sillyNames) }),
  'a silly name on a server': (file, _, dice) =>
    set(file, { name: dice.one(sillyNames), mount: dice.one([40, 41, 43, 45]) }),
  'another mount': (file, _, dice) => set(file, { mount: dice.one(odd) }),
  'several links on an overlay': file => set(file, { mount: 31, nlink: 2, mode: regular }),
  'several links': file => set(file, { mount: 30, nlink: 2 }, false),
  'a name that says deleted in its middle': file => set(file, { name: '/x (deleted)/y' }, false),
  'a device': file => set(file, { mode: device, rdev: makeDev(1n, 3n) }, false),
  'a FUSE server': file => set(file, { mode: device, rdev: makeDev(10n, 229n) }),
  'a block device': file => set(file, { mode: block, rdev: makeDev(7n, 1n) }, false),
  'a FIFO without a name': file => set(file, { mode: fifo, nlink: 0 }),
  'a link without a name': file => set(file, { mode: link, nlink: 0 }),
  'an error': (file, _, dice) => set(file, { error: dice.one(['EIO', 'ESTALE', 'ENOENT', 'EACCES']) }),
  'a memfd': (file, world) => {
    const name = file.link.startsWith('fd') ? '/memfd:x (deleted)' : '/dev/zero (deleted)';
    return set(file, { name, nlink: 0, mode: regular, mount: 99, dev: world.memory }, false);
  },
  'a name like a memfd': file => set(file, { name: '/memfd:x (deleted)', nlink: 0 }),
  'a thread apart': (_, world) => set(world, { threadApart: true }),
  'another namespace': (_, world) => set(world, { otherNamespace: true }),
  'no program': (_, world) => set(world, { noProgram: true }),
  'no list of mappings': (_, world) => set(world, { noMaps: true }),
  'a source of a mount that is gone': (_, world) => set(world, { rootGone: true }),
};
export const oddityNames = Object.keys(oddities);

/** Makes WHAT odd in one random way. */
function set<T extends Held | World>(what: T, values: Partial<T>, doubt = true): { doubt: boolean } {
  Object.assign(what, values);
  return { doubt };
}

/** One or two processes; the second is a child of the first, and each has a second thread. */
export class World {
  readonly odd: string[] = [];
  /** If this is true, the first look must not say `nothing`. */
  mustDoubt = false;
  threadApart = false;
  otherNamespace = false;
  noProgram = false;
  noMaps = false;
  rootGone = false;
  /** The file that descriptor 0 is bound to, which is a socket. */
  socket: { name: string; nlink: number } | undefined;
  /** A file that nobody holds lies on the /dev/shm from outside. */
  hasClosed = false;
  /** The fdinfo of descriptor 99, which watches. */
  watch: string | undefined;
  /** /dev/shm comes from outside the container. */
  readonly sharesShm: boolean;
  /** If there are no mounts of servers, the first look asks one thing less about each descriptor. */
  readonly hasServers: boolean;
  readonly held = new Map<number, Held[]>();

  constructor(
    readonly number: number,
    readonly memory: bigint,
  ) {
    const dice = new Dice(number);
    this.hasServers = dice.below(2) === 0;
    this.sharesShm = dice.below(2) === 0;
    for (const pid of dice.below(2) ? [firstPid, firstPid + 1] : [firstPid])
      this.held.set(pid, filesOf(dice));
    const count = dice.one([0, 1, 1, 2]);
    const touched = new Set<Held>();
    for (let i = 0; i < count; i++) {
      const name = dice.one(oddityNames);
      const file = dice.one([...this.held.values()].flat());
      // A second oddity of the same file could take the first one back.
      if (touched.size === touched.add(file).size) continue;
      this.odd.push(name);
      if (oddities[name]?.(file, this, dice).doubt) this.mustDoubt = true;
    }
    if (this.otherNamespace && this.held.size === 1) this.held.set(firstPid + 1, filesOf(dice));
  }

  get #last(): number {
    return [...this.held.keys()].at(-1) as number;
  }

  #namespaceOf(pid: number): string {
    return this.otherNamespace && pid === this.#last ? 'mnt:[3]' : 'mnt:[2]';
  }

  #mountinfo(): string {
    return Object.entries(mounts)
      .filter(([id]) => this.hasServers || Number(id) < 40)
      .map(([id, type]) => {
        const root = this.rootGone && id === '33' ? '/gone//deleted' : '/';
        const layers = type === 'overlay' ? 'rw,lowerdir=/layers/a:/layers/b,upperdir=/layers/c' : 'rw';
        const point = Number(id) === shm ? '/dev/shm' : `/mounts/${id}`;
        return `${id} 1 0:${id} ${root} ${point} rw,relatime shared:1 - ${type} source ${layers}\n`;
      })
      .join('');
  }

  #ownMountinfo(): string {
    const shared = `${ours} 1 0:${shm} / ${pod} rw - tmpfs shm rw\n`;
    return `1 0 8:1 / / rw - ext4 /dev/sda1 rw\n${this.sharesShm ? shared : ''}`;
  }

  #mapsOf(pid: number): string {
    const lines = (this.held.get(pid) ?? [])
      .filter(({ link }) => link.startsWith('map_files/'))
      .map(({ link, name }, index) => {
        const [from = '', to = ''] = link.slice('map_files/'.length).split('-');
        return `00${from}-00${to} r--p 00000000 08:01 ${1000 + index}                  ${name}\n`;
      });
    return `55d0-55d1 rw-p 00000000 00:00 0          [heap]\n${lines.join('')}7ff0-7ff1 rw-p 00000000 00:00 0 \n`;
  }

  /** Writes what looks like /proc. */
  write(proc: string): void {
    const stats = ['\n'];
    fs.mkdirSync(`${proc}/self`, { recursive: true });
    fs.writeFileSync(`${proc}/self/mountinfo`, this.#ownMountinfo());
    for (const [pid, files] of this.held) {
      const own = `${proc}/${pid}`;
      for (const name of ['fd', 'fdinfo', 'map_files', 'ns', `task/${pid}`, `task/${pid + 1000}`])
        fs.mkdirSync(`${own}/${name}`, { recursive: true });
      fs.symlinkSync(this.#namespaceOf(pid), `${own}/ns/mnt`);
      fs.writeFileSync(`${own}/mountinfo`, this.#mountinfo());
      if (!(this.noMaps && pid === this.#last)) fs.writeFileSync(`${own}/maps`, this.#mapsOf(pid));
      const hasChild = pid === firstPid && this.held.size > 1;
      // A child may belong to any thread.
      fs.writeFileSync(`${own}/task/${pid}/children`, '');
      fs.writeFileSync(`${own}/task/${pid + 1000}/children`, hasChild ? `${pid + 1} ` : '');
      if (this.threadApart && pid === this.#last) stats.push(`apart ${pid + 1000} \n`);
      fs.symlinkSync('socket:[4711]', `${own}/fd/0`);
      if (this.socket) stats.push(`bound ${pid}/fd/0 ${this.socket.nlink} ${this.socket.name}\n`);
      const watcher = this.watch?.startsWith('inotify') ? 'anon_inode:inotify' : 'anon_inode:[fanotify]';
      if (this.watch) fs.symlinkSync(watcher, `${own}/fd/99`);
      for (const { link, name, ...file } of files) {
        if (link === 'exe' && this.noProgram && pid === this.#last) continue;
        fs.symlinkSync(name, `${own}/${link}`);
        if (link.startsWith('fd/'))
          fs.writeFileSync(
            `${own}/fdinfo/${link.slice(3)}`,
            `pos:\t0\nflags:\t02\nmnt_id:\t${file.mount}\nino:\t1\n`,
          );
        const error = file.error === undefined ? 0 : (numbers[file.error] as number);
        stats.push(
          `${pid}/${link} ${error} ${file.mode.toString(8)} ${file.nlink} ${show(file.dev)} ${show(file.rdev)} ${file.mount}\n`,
        );
      }
    }
    if (this.hasClosed) stats.push(`used ${pod} 0:${shm} \n`);
    fs.writeFileSync(`${proc}/stats`, stats.join(''));
  }

  /** Gives the same processes to the finder. */
  processes(): FakeProcesses {
    const processes = new FakeProcesses(new MemoryFiles());
    const own = {
      namespace: 'mnt:[1]',
      parent: 1,
      mounts: parseMountinfo(Buffer.from(this.#ownMountinfo())),
      inRoot: {
        [pod]: fakeFile({ ...onShm, mode: folder, ino: 1n }),
        ...(this.hasClosed ? { [`${pod}/closed`]: fakeFile({ ...onShm, nlink: 1, ino: 8n }) } : {}),
      },
    };
    processes.add(processes.self(), own);
    const table: Mount[] = parseMountinfo(Buffer.from(this.#mountinfo()));
    for (const [pid, files] of this.held) {
      const isLast = pid === this.#last;
      const process: FakeProcess = {
        mounts: table,
        namespace: this.#namespaceOf(pid),
        fds: {},
        maps: [],
        fails: {},
        fdInfo: { 0: '', ...(this.watch === undefined ? {} : { 99: this.watch }) },
      };
      const { name = '', nlink = 0 } = this.socket ?? {};
      const file = fakeFile({ ...onShm, nlink, mode: 0o140755, ino: 9n });
      if (this.socket) process.bound = { 0: opened(file, name, { mount: shm }) };
      if (pid !== firstPid) process.parent = firstPid;
      for (const file of files) this.#give(process, file, isLast);
      if (isLast && this.noMaps) process.fails = { ...process.fails, maps: 'EIO' };
      if (isLast && this.threadApart) {
        process.threadsApart = [pid + 1000];
        processes.add(pid + 1000, { ...process, threadsApart: [], parent: 1 });
      }
      processes.add(pid, process);
    }
    return processes;
  }

  #give(process: FakeProcess, { link, name, mount, error, ...stat }: Held, isLast: boolean): void {
    const file: FakeFile = fakeFile({
      ...stat,
      ino: BigInt(link.length * 1000 + Number(name.length)),
      magic: magicOf(mount),
    });
    const held: Opened = opened(file, name, { mount });
    const [kind = '', rest = ''] = link.split('/');
    if (error !== undefined && process.fails) process.fails[`stat ${link}`] = error;
    if (kind === 'fd') (process.fds as Record<number, Opened>)[Number(rest)] = held;
    else if (kind === 'map_files') process.maps?.push({ address: rest, opened: held });
    else if (!(kind === 'exe' && this.noProgram && isLast)) process[kind as 'exe' | 'cwd' | 'root'] = held;
  }
}

const numbers: Record<string, number> = { ENOENT: 2, EIO: 5, EACCES: 13, ESTALE: 116 };

function filesOf(dice: Dice): Held[] {
  const file = (at: string, mode: number): Held => ({
    link: at,
    mode,
    nlink: 1,
    name: at === 'root' ? '/' : `/d/${at.replace('/', '-')}`,
    mount: dice.one(clean),
    dev: makeDev(8n, 1n),
    rdev: 0n,
  });
  const held = [file('exe', regular), file('cwd', folder), file('root', folder)];
  for (let fd = 1; fd <= 1 + dice.below(3); fd++) held.push(file(`fd/${fd}`, regular));
  for (let map = 1; map <= 1 + dice.below(2); map++)
    held.push(file(`map_files/7f${map}000-7f${map}800`, regular));
  return held;
}

function magicOf(mount: number): bigint {
  const magics: Record<number, bigint> = { 40: 0x6969n, 43: 0xff534d42n, 45: 0x6b414653n };
  return magics[mount] ?? (mount >= 41 && mount <= 46 ? 0x65735546n : 0xef53n);
}

function show(dev: bigint): string {
  const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
  return `${major}:${minor}`;
}
