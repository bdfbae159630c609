import { parse } from '../args.js';
import type { Command } from '../command.js';
import { manPage } from '../generate/man-page.js';

export const manCommand = (table: Record<string, Command>) => async (args: string[]) => {
  parse('man', args, {});
  process.stdout.write(manPage(table));
  return 0;
};
