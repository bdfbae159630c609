/**
 * Searches the same processes twice. The search decides from the answers of the kernel alone. So when every
 * question gets the same answer as the first time, it would find the same, and the ghosts that it found are
 * given again. For many ghosts this takes a third of the time of a search (decision 0008).
 */
import { isDeepStrictEqual } from 'node:util';
import { errnoOf } from '../../base/errors.js';
import { isDirectory } from '../../base/host/file-type.js';
import type { FdLook, FileStat, Memory, OpenFds, ProcessView, Refused } from '../../base/host/host.js';
import { type Found, findGhosts } from '../../ghost/find/find.js';
import type { Ghost, Holder } from '../../ghost/ghost.js';

type Name = keyof ProcessView;
type Looks = readonly (FdLook | ({ fd: number } & Refused))[];

/** A question of the search. ANSWER is a value, or an errno where the question failed. */
interface Question {
  name: Name;
  args: readonly unknown[];
  answer: Answer;
}
type Answer = { value: unknown } | { errno: string };

/** Facts of a file that change while it is used, and that the search decides nothing from. */
interface Change {
  pid: number;
  link: string;
  stat: FileStat;
  position?: bigint;
}

/** Asking a server may take long, so a search that has asked one is not repeated. */
const neverAgain = new Set<Name>(['askServers']);
/**
 * Answers, and mappings or descriptors in them. With more of them no search is repeated, because each takes
 * memory.
 */
const mostNoted = 200_000;
const noQuestion = new Set<Name>(['self']);
const nothing: readonly never[] = [];

export class SearchedBefore {
  readonly found: Found;
  readonly #inTurn: Question[] = [];
  readonly #after: Question[] = [];
  /** For each mount the answer of isOnServer(), which is asked for each file. */
  readonly #onServers = new Map<number | undefined, { stat: FileStat; answer: boolean }>();
  #canRepeat = true;
  #noted = 0;

  /** Searches for the first time. MEMORY is for the answers. ALIVE is called as by findGhosts. */
  constructor(
    processes: ProcessView,
    private readonly pids: readonly number[],
    memory: Memory,
    alive?: (at?: number) => void,
  ) {
    let questions = this.#inTurn;
    const asked = asking(processes, (name, args, ask) => {
      if (name === 'inTurn') {
        const value = ask();
        questions = this.#after;
        return value;
      }
      if (neverAgain.has(name)) this.#canRepeat = false;
      if (name === 'isOnServer') return this.#noteServer(args[0] as FileStat, ask);
      const all = name === 'lookAt' ? [...args, memory] : args;
      const answer = answerOf(name, () => ask(all));
      if (!noQuestion.has(name)) this.#note(questions, { name, args: all, answer });
      return given(answer);
    });
    this.found = findGhosts(asked, pids, alive, { named: true });
  }

  /** False where a server was asked, or more than we keep. */
  get canRepeat(): boolean {
    return this.#canRepeat;
  }

  #note(questions: Question[], question: Question): void {
    const { answer } = question;
    this.#noted += 1 + ('value' in answer && Array.isArray(answer.value) ? answer.value.length : 0);
    if (this.#noted > mostNoted) this.#canRepeat = false;
    if (this.#canRepeat) questions.push(question);
    else for (const all of [this.#inTurn, this.#after]) all.length = 0;
  }

  #noteServer(stat: FileStat, ask: () => unknown): boolean {
    const answer = ask() as boolean;
    if (!this.#onServers.has(stat.mountId)) this.#onServers.set(stat.mountId, { stat, answer });
    return answer;
  }

  /** Searches again, in full where an answer differs. */
  again(processes: ProcessView, pids: readonly number[], alive: (at?: number) => void): Found {
    const heard: Question[] = [];
    const changes: Change[] = [];
    const isSame = (question: Question) => {
      const { name, args } = question;
      alive(name === 'openFds' ? (args[0] as number) : undefined);
      const answer = answerOf(name, () => call(processes, name, withSuspects(question)));
      heard.push({ name, args, answer });
      return this.#compare(question, answer, changes);
    };
    const isRepeated =
      this.#canRepeat &&
      isDeepStrictEqual(pids, this.pids) &&
      processes.inTurn(pids, () => this.#inTurn.every(isSame)) &&
      this.#after.every(isSame) &&
      [...this.#onServers.values()].every(({ stat, answer }) => processes.isOnServer(stat) === answer);
    const found = isRepeated ? withChanges(this.found, changes, heard) : undefined;
    return found ?? findGhosts(answering(processes, heard), pids, alive, { named: true });
  }

  #compare({ name, args, answer: before }: Question, now: Answer, changes: Change[]): boolean {
    if ('errno' in before || 'errno' in now) return isDeepStrictEqual(before, now);
    const [pid, link] = args as [number, string];
    if (name === 'lookAt') return areSameLooks(pid, before.value as Looks, now.value as Looks, changes);
    if (name === 'openFds') return areSameFds(before.value as OpenFds, now.value as OpenFds);
    if (name === 'stat') {
      const stat = now.value as FileStat;
      if (isDeepStrictEqual(before.value, stat)) return true;
      changes.push({ pid, link, stat });
      return isSameFile(before.value as FileStat, stat);
    }
    return isDeepStrictEqual(before.value, now.value);
  }
}

function areSameLooks(pid: number, before: Looks, now: Looks, changes: Change[]): boolean {
  return (
    before.length === now.length &&
    before.every((one, index) => {
      const other = now[index] as Looks[number];
      if (one === other || isDeepStrictEqual(one, other)) return true;
      if ('error' in one || 'error' in other) return false;
      const { mountId, flags, position } = other.info;
      if (one.fd !== other.fd || one.info.mountId !== mountId || one.info.flags !== flags) return false;
      if (!isDeepStrictEqual(one.target, other.target) || !isSameFile(one.stat, other.stat)) return false;
      changes.push({ pid, link: `fd/${one.fd}`, stat: { ...other.stat, mountId }, position });
      return true;
    })
  );
}

/** Sockets come and go, and nothing is decided from them where no /dev/shm is shared (withChanges). */
function areSameFds(before: OpenFds, now: OpenFds): boolean {
  return (
    isDeepStrictEqual(before.suspects, now.suspects) && bytesOf(before.others).equals(bytesOf(now.others))
  );
}

const bytesOf = ({ buffer, byteOffset, byteLength }: BigUint64Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** True where the search decides the same about both: sizes and times may differ. */
function isSameFile(before: FileStat, now: FileStat): boolean {
  const isSameCount = isDirectory(now.mode)
    ? (before.nlink === 0) === (now.nlink === 0)
    : before.nlink === now.nlink;
  return (
    isSameCount &&
    (['dev', 'ino', 'mode', 'uid', 'gid', 'rdev', 'birthtimeNs', 'mountId'] as const).every(
      field => before[field] === now[field],
    )
  );
}

/** FOUND with the facts that have changed. @returns undefined where that is not enough */
function withChanges(
  found: Found,
  changes: readonly Change[],
  heard: readonly Question[],
): Found | undefined {
  const carriers = heard.flatMap(({ name, args: [pid], answer }) => {
    const fds = name === 'openFds' && 'value' in answer ? (answer.value as OpenFds).carriers : nothing;
    return fds.length > 0 ? { pid: pid as number, fds: [...fds] } : [];
  });
  if (found.closed.mayShare && !isDeepStrictEqual(carriers, found.carriers)) return undefined;
  if (changes.length === 0) return { ...found, carriers };
  const changed = new Map(changes.map(change => [`${change.pid} ${change.link}`, change]));
  const of = ({ pid, link }: Holder) => changed.get(`${pid} ${link}`);
  const named = [
    ...found.named.flatMap(({ holders }) => holders),
    ...found.lost.flatMap(one => one.holder ?? []),
  ];
  if (named.some(of)) return undefined;
  const ghosts = found.ghosts.map((ghost): Ghost => {
    if (!ghost.holders.some(holder => of(holder))) return ghost;
    const stat = (ghost.holders[0] && of(ghost.holders[0])?.stat) ?? ghost.stat;
    const holders = ghost.holders.map(holder => {
      const position = of(holder)?.position;
      return position === undefined ? holder : { ...holder, position };
    });
    return { ...ghost, stat, holders };
  });
  return { ...found, carriers, ghosts };
}

function answerOf(name: Name, ask: () => unknown): Answer {
  try {
    const value = ask();
    return { value: name === 'lookAt' ? [...(value as Looks)] : value };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return Object.assign({ errno }, { error });
  }
}

function given(answer: Answer & { error?: unknown }): unknown {
  if ('errno' in answer) throw answer.error;
  return answer.value;
}

function call(processes: ProcessView, name: Name, args: readonly unknown[]): unknown {
  return Reflect.apply(processes[name] as () => unknown, processes, args as []);
}

/** The suspects are looked at one by one afterwards, and each has to be the same file then. */
function withSuspects({ name, args, answer }: Question): readonly unknown[] {
  if (name !== 'openFds' || 'errno' in answer) return args;
  return [...args, (answer.value as OpenFds).suspects];
}

/** Gives the looks that were HEARD in this freeze already. */
function answering(processes: ProcessView, heard: readonly Question[]): ProcessView {
  const answers = heard.filter(({ name }) => name === 'lookAt');
  return asking(processes, (name, args, ask) => {
    const known = answers.find(
      other => other.name === name && args.every((arg, at) => isDeepStrictEqual(arg, other.args[at])),
    );
    return known ? given(known.answer) : ask();
  });
}

/** A view of PROCESSES that passes each question to ASKED. */
function asking(
  processes: ProcessView,
  asked: (name: Name, args: readonly unknown[], ask: (args?: readonly unknown[]) => unknown) => unknown,
): ProcessView {
  return new Proxy(processes, {
    get:
      (target, name) =>
      (...args: unknown[]) =>
        asked(name as Name, args, (all = args) => call(target, name as Name, all)),
  });
}
