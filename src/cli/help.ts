import type { Command } from './command.js';
import { commands } from './commands.js';
import { wrap } from './print/fit.js';

/** The lines of a help text have at most this many characters: longer ones are hard to read. */
const mostColumns = 100;

export function overview(): string {
  const width = Object.keys(commands).reduce((widest, name) => Math.max(widest, name.length), 0);
  const lines = Object.entries(commands).map(([name, { summary }]) =>
    wrap(`  ${name.padEnd(width)}  `, summary, columns()),
  );
  const end = [
    '`ghostkeep COMMAND --help` says more, `ghostkeep --version` which version this is.',
    '--json prints one JSON document, of an error, too.',
    '-v, --verbose says on stderr how far a command has come.',
    'Exit status: 0 done, 1 failed, 2 wrong usage.',
  ].map(line => wrap('', line, columns()));
  return `ghostkeep keeps unlinked-but-open files alive across container checkpoint and restore\n\nghostkeep COMMAND [OPTION …]\n\n${lines.join('')}\n${end.join('')}`;
}

export function helpFor(name: string, { usage, summary, details, noJson, example }: Command): string {
  const width = columns();
  return [
    wrapUsage(name, usage, width),
    wrap('', `${name}: ${summary}`, width),
    ...(details ? [paragraphs(details, width)] : []),
    ...(noJson ? [wrap('', `It has no --json: ${noJson}.`, width)] : []),
    ...(example ? [`Example: ${example}\n`] : []),
  ].join('\n');
}

function columns(): number {
  const { isTTY, columns } = process.stdout;
  return isTTY && columns > 0 ? Math.min(columns, mostColumns) : mostColumns;
}

/** Breaks a line neither between an option and its value, nor within brackets that have none inside. */
function wrapUsage(name: string, usage: string, width: number): string {
  const kept = usage
    .replace(name, '')
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\[[^[\]]{1,50}\]/g, part => part.replaceAll(' ', '\u00a0'))
    .replaceAll(/(-[a-z-]+) (?=[A-Z])/g, '$1\u00a0');
  return wrap(`ghostkeep ${name}${kept && ' '}`, kept, width).replaceAll('\u00a0', ' ');
}

/** A sentence that begins with an option begins a line, where an eye that looks for the option finds it. */
function paragraphs(details: string, width: number): string {
  const parts = details.replaceAll(/\s+/g, ' ').split(/(?<=\.) (?=-[-a-zA-Z])/);
  return parts.map(part => wrap('', part, width)).join('');
}
