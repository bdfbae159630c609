/** Parses a runtime's command line, to find container and image directory. Source: runc(8), crun(1). */
import path from 'node:path';
import { type ErrorCode, GhostkeepError } from '../base/errors.js';

export interface RuntimeCommand {
  runtime: 'runc' | 'crun';
  /** Absolute path. PROGRAM and GLOBALS may be relative to it. */
  cwd: string;
  /** The program as the user typed it. We also run `state` and `pause` with it. */
  program: string;
  /** Options before the verb, which we repeat before other verbs. */
  globals: string[];
  verb: string;
  container: string;
  /** Absolute path. */
  images: string;
  leaveRunning: boolean;
  preDump: boolean;
}

/** Options of both runtimes that take a value as the next word; `--option=value` needs no table. */
const withValue = {
  globals: ['--root', '--log', '--log-format', '--log-level', '--criu', '--rootless', '--cgroup-manager'],
  verb: [
    '--image-path',
    '--work-path',
    '--parent-path',
    '--page-server',
    '--manage-cgroups-mode',
    '--status-fd',
    '--empty-ns',
    '--lsm-profile',
    '--lsm-mount-context',
    '--bundle',
    '-b',
    '--console-socket',
    '--pid-file',
    '--network-lock',
  ],
};

/**
 * @param argv program first
 * @throws RUNTIME_UNKNOWN for another program than runc and crun, USAGE for one of them that is not called `…
 * VERB … ID`
 */
export function parseRuntimeCommand(argv: readonly string[], cwd: string): RuntimeCommand {
  const [program, ...rest] = argv;
  const runtime = path.basename(program ?? '');
  if (program === undefined || (runtime !== 'runc' && runtime !== 'crun'))
    throw notUnderstood('RUNTIME_UNKNOWN', argv, 'it is not a command of runc or crun');
  const before = splitOptions(rest, withValue.globals);
  const [verb, ...after] = before.rest;
  if (verb === undefined) throw notUnderstood('USAGE', argv, 'it has no verb');
  const { options, positionals } = splitAll(after, withValue.verb);
  const [container, extra] = positionals;
  if (container === undefined || extra !== undefined)
    throw notUnderstood('USAGE', argv, `${verb} takes one container id`);
  return {
    runtime,
    cwd,
    program,
    globals: before.options,
    verb,
    container,
    images: path.resolve(cwd, optionValue(options, '--image-path') ?? 'checkpoint'),
    leaveRunning: isSet(options, '--leave-running', 'R'),
    preDump: isSet(options, '--pre-dump', 'P'),
  };
}

/** Splits WORDS into the options at their beginning, with the values of these, and the rest. */
function splitOptions(
  words: readonly string[],
  valued: readonly string[],
): { options: string[]; rest: string[] } {
  let at = 0;
  while (at < words.length && words[at]?.startsWith('-'))
    at += valued.includes(twoDashes(words[at] as string)) ? 2 : 1;
  return { options: words.slice(0, at), rest: words.slice(at) };
}

function splitAll(
  words: readonly string[],
  valued: readonly string[],
): { options: string[]; positionals: string[] } {
  const options: string[] = [];
  const positionals: string[] = [];
  let rest = [...words];
  while (rest.length > 0) {
    const split = splitOptions(rest, valued);
    for (const option of split.options) options.push(option);
    const [positional, ...behind] = split.rest;
    if (positional !== undefined) positionals.push(positional);
    rest = behind;
  }
  return { options, positionals };
}

function optionValue(options: readonly string[], name: string): string | undefined {
  const at = options.findIndex(option => twoDashes(option).split('=', 1)[0] === name);
  if (at < 0) return undefined;
  const joined = options[at]?.indexOf('=') ?? -1;
  return joined < 0 ? options[at + 1] : options[at]?.slice(joined + 1);
}

/** @param letter crun's short form, alone or among others, as in `-RP` */
function isSet(options: readonly string[], name: string, letter: string): boolean {
  return options.some(
    option =>
      (/^-[A-Za-z]+$/.test(option) && option.includes(letter)) ||
      new RegExp(`^${name}(=(1|t|true))?$`, 'i').test(twoDashes(option)),
  );
}

/** runc's options follow Go's rules: one dash is as good as two. */
function twoDashes(option: string): string {
  return option.replace(/^-(?=[a-z][a-z-])/, '--');
}

function notUnderstood(code: ErrorCode, argv: readonly string[], reason: string): GhostkeepError {
  const text = argv.join(' ') || 'nothing';
  return new GhostkeepError(
    code,
    text,
    `cannot understand the command \`${text}\`: ${reason}; expected: runc|crun [OPTION …] checkpoint [OPTION …] ID`,
  );
}
