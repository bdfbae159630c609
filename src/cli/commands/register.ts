import { GhostkeepError } from '../../base/errors.js';
import { register } from '../../flows/hooks/register.js';
import { findBeside } from '../../host/native/program-files.js';
import { parse, usage } from '../args.js';
import { makeContext } from '../context.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';

export async function registerCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse(
    'register',
    args,
    { remove: { type: 'boolean' }, json: { type: 'boolean' } },
    'any',
  );
  const [bundle, ...more] = positionals;
  if (bundle === undefined || more.length > 0) throw usage('register', 'it takes one bundle');
  const result = register(makeContext(), bundle, values.remove ? undefined : installedHooks());
  const { config, changed, stages } = result;
  if (values.json) printJson(result);
  else if (values.remove)
    process.stdout.write(line(changed ? `our hooks are out of ${config}` : `${config} has no hook of ours`));
  else
    process.stdout.write(
      line(`${config} ${changed ? 'has our hooks now' : 'had our hooks already'}: ${stages.join(', ')}`),
    );
  return 0;
}

/**
 * Finds config-hooks.json, which install.sh and the packages put beside the programs of the hooks, with the
 * paths of these programs in it.
 */
function installedHooks(): string {
  const found = findBeside('../../libexec/ghostkeep/config-hooks.json');
  if (found !== undefined) return found;
  throw new GhostkeepError(
    'NOT_FOUND',
    'config-hooks.json',
    'cannot register hooks: this ghostkeep was not installed, so a runtime would find no hooks; run install.sh, or install the package',
  );
}
