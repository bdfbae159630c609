import { dumpGhosts } from '../../flows/dump.js';
import { readConfig } from '../../flows/policy.js';
import { sealImages } from '../../flows/seal.js';
import { resolvePolicy } from '../../oci/policy.js';
import { oneOf, parse, positive, required, usage } from '../args.js';
import { makeContext } from '../context.js';
import { showDump } from './show.js';

export async function dumpCommand(args: string[]): Promise<number> {
  const { values } = parse('dump', args, {
    pid: { type: 'string', multiple: true },
    'images-dir': { type: 'string', short: 'D' },
    engine: { type: 'string' },
    digest: { type: 'boolean' },
    'detect-zeroes': { type: 'boolean' },
    json: { type: 'boolean' },
  });
  const images = required('dump', '-D', values['images-dir']);
  if (!values.pid) throw usage('dump', '--pid is missing');
  const context = makeContext();
  const policy = resolvePolicy(readConfig(context), {
    ...(values.engine === undefined
      ? {}
      : { engine: oneOf('dump', '--engine', values.engine, ['auto', 'fiemap', 'seek', 'read']) }),
    ...(values.digest ? { verify: 'digest' as const } : {}),
  });
  context.host.files.makeDirectory(images, 0o700);
  await dumpGhosts(context, {
    images,
    pids: values.pid.map(text => positive('dump', '--pid', text)),
    policy: { ...policy, detectZeroes: values['detect-zeroes'] ?? false },
    criu: false,
  });
  const { manifest } = sealImages(context, images, true);
  process.stdout.write(values.json ? `${JSON.stringify(manifest, null, 2)}\n` : showDump(manifest));
  return 0;
}
