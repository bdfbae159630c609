import type { Command } from './command.js';
import { commands } from './commands.js';

export function overview(): string {
  const width = Object.keys(commands).reduce((widest, name) => Math.max(widest, name.length), 0);
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `ghostkeep keeps unlinked-but-open files alive across container checkpoint and restore\n\nghostkeep COMMAND [OPTION …]\n\n${lines.join('\n')}\n\n\`ghostkeep COMMAND --help\` says more, \`ghostkeep --version\` which this is.\n--json prints one JSON document, of an error, too; -v, --verbose says on stderr how far a command has come.\nExit status: 0 done, 1 failed, 2 wrong usage.\n`;
}

export function helpFor(name: string, { usage, summary, details, noJson, example }: Command): string {
  return `ghostkeep ${usage}\n\n${name}: ${summary}\n${details ? `\n${details}\n` : ''}${noJson ? `\nIt has no --json: ${noJson}.\n` : ''}${example ? `\nExample: ${example}\n` : ''}`;
}
