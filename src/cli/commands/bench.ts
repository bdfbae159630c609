import { pathToFileURL } from 'node:url';
import { GhostkeepError } from '../../base/errors.js';
import { findBeside } from '../../host/native/program-files.js';
import { parse, usage } from '../args.js';
import { version } from '../version.js';

const options = {
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  case: { type: 'string', multiple: true, default: [] as string[] },
  filesystem: { type: 'string', multiple: true, default: [] as string[] },
  results: { type: 'string' },
  scratch: { type: 'string', default: '/var/tmp' },
} as const;

/**
 * The exports of bench/main.ts. That file becomes a bundle of its own, so that no other command has to load
 * it, and nothing here imports it.
 */
interface BenchBundle {
  names: readonly string[];
  filesystems: readonly string[];
  bench(options: Record<string, unknown>): Promise<number>;
}

export async function benchCommand(args: string[]): Promise<number> {
  const { values, positionals } = parse('bench', args, options, 'any');
  const bundle = findBeside('dist', 'bench.mjs');
  if (!bundle)
    throw new GhostkeepError('NOT_FOUND', 'bench', 'cannot run the bench: dist/bench.mjs is not there');
  const { bench, names, filesystems } = (await import(pathToFileURL(bundle).href)) as BenchBundle;
  check('there is no suite', positionals, names);
  check('--filesystem knows no', values.filesystem, filesystems);
  const { results, ...rest } = values;
  return bench({
    ...rest,
    ...(results === undefined ? {} : { results }),
    suites: positionals,
    args,
    version,
  });
}

function check(what: string, given: readonly string[], allowed: readonly string[]): void {
  const unknown = given.find(name => !allowed.includes(name));
  if (unknown !== undefined)
    throw usage('bench', `${what} ${JSON.stringify(unknown)}, only ${allowed.join(', ')}`);
}
