#!/usr/bin/env node
import { errnoOf, GhostkeepError, reasonOf, translate } from '../base/errors.js';
import { nearest } from '../base/text/nearest.js';
import { toPrintable } from '../base/text/printable.js';
import { exitWithoutKoffi } from '../host/native/libc.js';
import type { Command } from './command.js';
import { commands } from './commands.js';
import { resumeForgotten } from './forgotten.js';
import { helpFor, overview } from './help.js';
import { flushLogs } from './log/logger.js';
import { sayRoot } from './print/as-root.js';
import { printJsonError } from './print/json.js';
import { printErrorLine } from './print/json-lines.js';
import { errorLine } from './print/line.js';
import { watchOutput } from './print/output.js';
import { version } from './version.js';

/** Source: docs/commands.md. */
const exitFailed = 1;
const exitUsage = 2;

process.once('uncaughtException', error => process.exit(report(error, 'cannot go on')));
process.on('exit', exitWithoutKoffi);
const endStatus = watchOutput(error => report(error, 'cannot write to stdout'));
process.exitCode = endStatus(await main(process.argv.slice(2)));

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) return print(overview(), exitUsage);
  if (name === 'help' && args[0] !== undefined) return main([args[0], '--help']);
  if (name === '--help' || name === '-h' || name === 'help') return print(overview(), 0);
  if (name === '--version' || name === '-V') return print(`ghostkeep ${version}\n`, 0);
  try {
    const command = findCommand(name);
    if (asksForHelp(args)) return print(helpFor(name, command), 0);
    await resumeForgotten(name);
    return await (await command.load())(args);
  } catch (error) {
    await flushLogs();
    return report(error, `cannot finish ${name}`, jsonOf(name, args));
  }
}

function findCommand(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command;
  const meant = nearest(name, Object.keys(commands));
  throw new GhostkeepError(
    'USAGE',
    name,
    `cannot run ${JSON.stringify(name)}: there is no such command${meant === undefined ? '' : `; did you mean ${meant}?`}; \`ghostkeep --help\` lists them`,
  );
}

function asksForHelp(args: readonly string[]): boolean {
  return own(args).includes('--help') || own(args).includes('-h');
}

/** The arguments before `--`; after that comes somebody else's command. */
function own(args: readonly string[]): readonly string[] {
  return args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
}

type Json = 'no' | 'document' | 'lines';

function jsonOf(name: string, args: readonly string[]): Json {
  if (!own(args).includes('--json')) return 'no';
  return Object.hasOwn(commands, name) && commands[name]?.jsonLines ? 'lines' : 'document';
}

function report(error: unknown, action: string, json: Json = 'no'): number {
  const known = errnoOf(error) !== undefined ? translate(error, 'IO', '', action) : error;
  if (!(known instanceof GhostkeepError)) {
    const text = `ghostkeep: ${known instanceof Error && known.stack ? known.stack : reasonOf(known)}`;
    for (const part of text.split(/\n(?= {4}at )/)) process.stderr.write(`${toPrintable(part)}\n`);
    return exitFailed;
  }
  known.message = sayRoot(known.code, known.message);
  if (json === 'lines') printErrorLine(known);
  else process.stderr.write(errorLine(known));
  if (json === 'document') printJsonError(known);
  return known.code === 'USAGE' ? exitUsage : exitFailed;
}

function print(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(text);
  return status;
}
