import { oneOf, parse } from '../args.js';
import type { Command } from '../command.js';
import { bashCompletion, fishCompletion, zshCompletion } from '../generate/completions.js';
import { printJson } from '../print/json.js';

const byShell = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export const completionCommand = (table: Record<string, Command>) => async (args: string[]) => {
  const { values, positionals } = parse('completion', args, { json: { type: 'boolean' } }, 1);
  const shell = oneOf('completion', 'the shell', positionals[0] ?? '', ['bash', 'zsh', 'fish']);
  const script = byShell[shell](table);
  if (values.json) printJson({ shell, script });
  else process.stdout.write(script);
  return 0;
};
