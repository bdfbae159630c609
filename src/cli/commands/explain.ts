import codes from '../../base/error-codes.json' with { type: 'json' };
import type { ErrorCode } from '../../base/errors.js';
import { oneOf, parse } from '../args.js';
import { wrap } from '../print/fit.js';
import { printJson } from '../print/json.js';

/** Prints what docs/errors.md says of a code. That page is not on the host of an installation. */
export async function explainCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse('explain', args, { json: { type: 'boolean' } }, 1);
  // A message ends with its code in brackets, which are easily copied with it.
  const asked = (positionals[0] ?? '').replaceAll(/[[\]]/g, '').toUpperCase();
  const code = oneOf('explain', 'the code', asked, Object.keys(codes) as ErrorCode[]);
  const { means, wayOut } = codes[code];
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  if (values.json) printJson({ code, means, wayOut });
  else
    process.stdout.write(
      `${code}\n\n${wrap('It means:   ', means, width)}${wrap('What to do: ', wayOut, width)}`,
    );
  return 0;
}
