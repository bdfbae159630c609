/**
 * Measures the time that the hooks add to `runc run`. Whole runs take turns: with no hook, with /bin/true as
 * both hooks, and with our hooks as they are installed, for a container that they concern (it has an
 * annotation io.ghostkeep.…) and for one that they do not. The added time is the median less the median
 * without a hook. Where the hooks concern the container, Node is started: Debian 13's, and the one that runs
 * the bench. Beside each an empty Node program runs as both hooks; no hook that starts Node can be faster.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findBeside, ownCommand } from '../../src/host/native/program-files.js';
import { missing } from '../machine/missing.js';
import { timed } from '../machine/timed.js';
import { findTree, noteProgram } from '../machine/tree.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave, median, type Samples } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

const nodes = { "Debian's Node": '/usr/bin/node', 'own Node': '/own-node' } as const;
type NodeName = keyof typeof nodes;
const bothNodes = Object.keys(nodes) as NodeName[];
type Kind = 'none' | '/bin/true' | 'unconcerned' | `empty, ${NodeName}` | `concerned, ${NodeName}`;
const kinds: readonly Kind[] = [
  'none',
  '/bin/true',
  'unconcerned',
  ...bothNodes.flatMap(node => [`empty, ${node}`, `concerned, ${node}`] as const),
];
/**
 * For both hooks of a run, prestart and poststop: under 3 ms a hook, and under 100 ms where there is work.
 */
const [unconcernedMs, concernedMs] = [6, 200];

export const hooksSuite: Suite = {
  name: 'hooks',
  summary: 'what prestart and poststop add to runc run, beside /bin/true as the hook',
  needsFilesystems: false,
  async *run(context) {
    if (ownCommand().length === 1) {
      missing('hooks', 'the executable runs the bench, and this suite compares two Node.js');
      return;
    }
    const root = makeRoot(context);
    if (!root) return;
    noteProgram('runc', ['chroot', root, '/usr/sbin/runc']);
    const samples = await interleave(
      Object.fromEntries(kinds.map(kind => [kind, (round: number) => run(root, kind, round)])),
      context.quick ? 5 : 25,
      performance.now() + context.budgetMs,
    );
    if (context.wants('unconcerned')) yield row('unconcerned', ['/bin/true'], unconcernedMs, samples);
    for (const node of bothNodes)
      if (context.wants('concerned'))
        yield row(`concerned, ${node}`, ['/bin/true', `empty, ${node}`], concernedMs, samples);
  },
};

function row(kind: Kind, peers: readonly Kind[], targetMs: number, samples: Samples): Row {
  const all = (name: Kind) => samples[name] as number[];
  const added = (name: Kind) => Math.round((median(all(name)) - median(all('none'))) * 1000) / 1000;
  return {
    ...makeRow({
      suite: 'hooks',
      case: `runc run, ${kind}`,
      filesystem: '',
      state: '',
      samples: { [ours]: all(kind), ...Object.fromEntries(peers.map(peer => [peer, all(peer)])) },
    }),
    addedMs: { [ours]: added(kind), ...Object.fromEntries(peers.map(peer => [peer, added(peer)])) },
    targetMs,
  };
}

/**
 * Makes a root to change into. It has the tree of Debian 13 with a layer of its own above it, this program,
 * and a bundle of each kind.
 */
function makeRoot(context: SuiteContext): string | undefined {
  const tree = findTree();
  const program = findBeside('dist', 'ghostkeep.mjs');
  const launcher = findBeside('build', 'ghostkeep-hook');
  if (!launcher) {
    missing('hooks', 'build/ghostkeep-hook was not built');
    return undefined;
  }
  if (!tree || !program || !['usr/sbin/runc', 'usr/bin/busybox', 'usr/bin/node'].every(inside(tree))) {
    missing('hooks', 'there is no tree of Debian 13 with runc, busybox and node in it');
    return undefined;
  }
  const layer = path.join(context.scratch, 'hooks-layer');
  const root = path.join(context.scratch, 'hooks-root');
  for (const folder of [layer, root]) fs.mkdirSync(folder);
  mount(['-t', 'tmpfs', 'ghostkeep-bench', layer]);
  for (const name of ['upper', 'work']) fs.mkdirSync(path.join(layer, name), { mode: 0o755 });
  const layers = `lowerdir=${tree},upperdir=${layer}/upper,workdir=${layer}/work`;
  mount(['-t', 'overlay', '-o', layers, 'ghostkeep-bench', root]);
  const place = (name: string) => {
    const folder = path.join(root, name);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  };
  mount(['-t', 'proc', 'proc', place('proc')]);
  for (const name of ['sys', 'dev']) mount(['--rbind', `/${name}`, place(name)]);
  for (const name of ['run', 'tmp']) mount(['-t', 'tmpfs', 'ghostkeep-bench', place(name)]);
  const top = path.dirname(path.dirname(program));
  mount(['--bind', top, place('ghostkeep')]);
  fs.writeFileSync(path.join(root, nodes['own Node']), '');
  mount(['--bind', process.execPath, path.join(root, nodes['own Node'])]);
  for (const node of bothNodes) {
    const folder = place(folderOf(node));
    for (const hook of ['prestart', 'poststop']) {
      const template = fs.readFileSync(path.join(top, 'hooks', hook), 'utf8');
      const script = template.replace('@COMMAND@', `'${nodes[node]}' /ghostkeep/dist/ghostkeep.mjs`);
      fs.writeFileSync(path.join(folder, hook), script, { mode: 0o755 });
    }
  }
  fs.copyFileSync(launcher, path.join(root, 'hook'));
  for (const kind of kinds) makeBundle(root, kind);
  return root;
}

function inside(tree: string): (name: string) => boolean {
  return name => fs.existsSync(path.join(tree, name));
}

function bundleOf(kind: Kind): string {
  return `/bundle-${kinds.indexOf(kind)}`;
}

function makeBundle(root: string, kind: Kind): void {
  const bundle = path.join(root, bundleOf(kind));
  for (const folder of ['proc', 'dev', 'sys'])
    fs.mkdirSync(path.join(bundle, 'rootfs', folder), { recursive: true });
  fs.copyFileSync(path.join(root, 'usr/bin/busybox'), path.join(bundle, 'rootfs/busybox'));
  const config = {
    ociVersion: '1.0.2',
    process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['/busybox', 'true'], env: ['PATH=/'] },
    root: { path: 'rootfs' },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount'].map(type => ({ type })) },
    ...(kind === 'none'
      ? {}
      : { hooks: { prestart: [hookOf(kind, 'prestart')], poststop: [hookOf(kind, 'poststop')] } }),
    ...(kind.startsWith('concerned') ? { annotations: { 'io.ghostkeep.enabled': 'true' } } : {}),
  };
  fs.writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(config));
}

function folderOf(node: NodeName): string {
  return `hooks-${bothNodes.indexOf(node)}`;
}

function hookOf(kind: Kind, name: string): { path: string; args?: string[]; timeout: number } {
  const timeout = 30;
  if (kind === '/bin/true') return { path: kind, timeout };
  const node = bothNodes.find(each => kind.endsWith(each)) ?? "Debian's Node";
  if (kind.startsWith('empty')) return { path: nodes[node], args: ['node', '-e', ''], timeout };
  return { path: '/hook', args: ['hook', name, `/${folderOf(node)}/${name}`], timeout };
}

function run(root: string, kind: Kind, round: number): number {
  const id = `bench-${kinds.indexOf(kind)}-${round}`;
  const log = path.join(root, 'tmp', `${id}.log`);
  const words = [
    'runc',
    '--root',
    '/run/runc',
    '--log',
    `/tmp/${id}.log`,
    'run',
    '--bundle',
    bundleOf(kind),
    id,
  ];
  return timed(['chroot', root, ...words], { log });
}

function mount(args: string[]): void {
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
