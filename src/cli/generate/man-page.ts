import type { Command } from '../command.js';
import { version } from '../version.js';

/** The manual page, made from the table of commands. Source: groff_man(7) */
export function manPage(commands: Record<string, Command>): string {
  const parts = Object.entries(commands)
    .filter(([, { example }]) => example)
    .flatMap(([name, { usage, summary, details, example }]) => [
      `.SS ${escaped(name)}`,
      `.B ghostkeep ${escaped(usage.replaceAll(/\s+/g, ' '))}`,
      '.PP',
      text(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`),
      ...(details ? ['.PP', text(details.replaceAll(/\s+/g, ' '))] : []),
      '.PP',
      'Example:',
      '.PP',
      '.EX',
      text(`    ${example}`),
      '.EE',
    ]);
  return `${[
    `.TH GHOSTKEEP 1 "" "ghostkeep ${escaped(version)}" "User Commands"`,
    '.SH NAME',
    text('ghostkeep - keep unlinked-but-open files alive across container checkpoint and restore'),
    '.SH SYNOPSIS',
    '.B ghostkeep',
    '.I COMMAND',
    '[OPTION ...]',
    '.SH COMMANDS',
    ...parts,
    '.SH OPTIONS OF MANY COMMANDS',
    '.TP',
    '.B \\-v, \\-\\-verbose',
    'Say on stderr what is being done. On a terminal, whatever takes over a second shows how far it has come without it.',
    '.TP',
    '.B \\-\\-json',
    'Print one JSON document, of an error, too. With \\-\\-verbose, progress is JSON lines on stderr.',
    '.SH EXIT STATUS',
    '0 done, 1 failed, 2 wrong usage.',
    'An error is one line on stderr that ends in a code.',
    '.SH FILES',
    '.TP',
    '.I /etc/ghostkeep/config.json',
    'The policy of this host.',
    '.TP',
    '.I /run/ghostkeep',
    'Records of containers, and of what is paused or frozen at the moment.',
    '.SH SEE ALSO',
    '.BR criu (8),',
    '.BR lsof (8),',
    '.BR runc (8)',
  ].join('\n')}\n`;
}

/** A line that begins with a dot or a quote would be a request to the formatter. */
const text = (line: string) => escaped(line).replace(/^[.']/, '\\&$&');

const escaped = (line: string) =>
  line.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...').replaceAll('"', '\\(dq');
