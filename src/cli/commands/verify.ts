import { verify } from '../../flows/verify.js';
import { parse, required } from '../args.js';
import { makeContext } from '../context.js';

export async function verifyCommand(args: string[]): Promise<number> {
  const { values } = parse('verify', args, {
    'images-dir': { type: 'string', short: 'D' },
    json: { type: 'boolean' },
  });
  const result = await verify(makeContext(), required('verify', '-D', values['images-dir']));
  if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (result.damage.length === 0)
    process.stdout.write(`${result.images}: ${result.ghosts} ghosts, no damage found\n`);
  else for (const { code, message } of result.damage) process.stdout.write(`${message} [${code}]\n`);
  return result.damage.length === 0 ? 0 : 1;
}
