import codes from '../../base/error-codes.json' with { type: 'json' };
import type { ErrorCode } from '../../base/errors.js';
import { oneOf, parse, usage } from '../args.js';
import { wrap } from '../print/fit.js';
import { printJson } from '../print/json.js';

/**
 * Prints what docs/errors.md says of a code; without a code, what each code means. That page is not on the
 * host of an installation.
 */
export async function explainCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse('explain', args, { json: { type: 'boolean' } }, 'any');
  if (positionals.length > 1) throw usage('explain', 'it takes one code, or none to list all');
  const known = Object.keys(codes) as ErrorCode[];
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const [given] = positionals;
  if (given === undefined) {
    if (values.json) printJson({ codes: known.map(code => ({ code, ...codes[code] })) });
    else process.stdout.write(list(known, width));
    return 0;
  }
  // A message ends with its code in brackets, which are easily copied with it.
  const code = oneOf('explain', 'the code', given.replaceAll(/[[\]]/g, '').toUpperCase(), known);
  const { means, wayOut } = codes[code];
  if (values.json) printJson({ code, means, wayOut });
  else
    process.stdout.write(
      `${code}\n\n${wrap('It means:   ', means, width)}${wrap('What to do: ', wayOut, width)}`,
    );
  return 0;
}

/** @param width of the terminal, where a line that is longer is cut; undefined where lines stay whole */
function list(known: readonly ErrorCode[], width: number | undefined): string {
  const widest = known.reduce((most, code) => Math.max(most, code.length), 0);
  return known
    .map(code => `${code.padEnd(widest)}  ${codes[code].means}`)
    .map(line => (width === undefined || line.length <= width ? line : `${line.slice(0, width - 1)}…`))
    .map(line => `${line}\n`)
    .join('');
}
