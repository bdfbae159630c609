import { errnoOf, GhostkeepError, reasonOf, translate } from '../base/errors.js';
import { toPrintable } from '../base/printable.js';
import { type Command, commands } from './commands.js';
import { helpFor, overview } from './help.js';
import { line } from './line.js';
import { flushLogs } from './logger.js';
import { version } from './version.js';

/** Source: design.md, Commands. */
const exitFailed = 1;
const exitUsage = 2;

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help')
    return print(overview(), name === undefined ? exitUsage : 0);
  if (name === '--version') return print(`ghostkeep ${version}\n`, 0);
  const command: Command | undefined = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    process.stderr.write(
      line(`ghostkeep: there is no command ${JSON.stringify(name)}; \`ghostkeep --help\` lists them`),
    );
    return exitUsage;
  }
  if (args[0] === '--help' || args[0] === '-h') return print(helpFor(name, command), 0);
  try {
    return await (await command.load())(args);
  } catch (error) {
    await flushLogs();
    return report(error);
  }
}

function report(error: unknown): number {
  const known = errnoOf(error) !== undefined ? translate(error, 'IO', '', 'cannot go on') : error;
  if (!(known instanceof GhostkeepError)) {
    const text = `ghostkeep: ${known instanceof Error && known.stack ? known.stack : reasonOf(known)}`;
    for (const part of text.split(/\n(?= {4}at )/)) process.stderr.write(`${toPrintable(part)}\n`);
    return exitFailed;
  }
  process.stderr.write(line(`ghostkeep: ${known.message} [${known.code}]`));
  return known.code === 'USAGE' ? exitUsage : exitFailed;
}

function print(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(text);
  return status;
}
