import { verify } from '../../flows/verify.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';
import { line } from '../line.js';

export async function verifyCommand(args: string[]): Promise<number> {
  const { values } = parse('verify', args, {
    'images-dir': { type: 'string', short: 'D' },
    json: { type: 'boolean' },
  });
  const result = await verify(makeContext(), required('verify', '-D', values['images-dir']));
  if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (result.damage.length === 0)
    process.stdout.write(line(`${result.images}: ${result.ghosts} ghosts, no damage found`));
  else for (const { code, message } of result.damage) process.stdout.write(line(`${message} [${code}]`));
  return result.damage.length === 0 ? 0 : 1;
}
