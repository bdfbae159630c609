import { oneOf, parse } from '../args.js';
import type { Command } from '../command.js';
import { bashCompletion, fishCompletion, zshCompletion } from '../generate/completions.js';

const byShell = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export const completionCommand = (table: Record<string, Command>) => async (args: string[]) => {
  const { positionals } = parse('completion', args, {}, 1);
  const shell = oneOf('completion', 'the shell', positionals[0] ?? '', ['bash', 'zsh', 'fish']);
  process.stdout.write(byShell[shell](table));
  return 0;
};
