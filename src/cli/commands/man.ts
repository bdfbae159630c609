import { parse } from '../args.js';
import type { Command } from '../command.js';
import { manPage } from '../generate/man-page.js';
import { printJson } from '../print/json.js';
import { version } from '../version.js';

export const manCommand = (table: Record<string, Command>) => async (args: string[]) => {
  const { values } = parse('man', args, { json: { type: 'boolean' } });
  // A program gets the table of commands, which is of more use to it than the page that is made from it.
  if (values.json) printJson({ version, commands: table });
  else process.stdout.write(manPage(table));
  return 0;
};
