/** The folders of this host in which engines keep the images of checkpoints, and the files of containers. */
import { bounds } from '../../../base/bounds.js';
import { errnoOf, GhostkeepError } from '../../../base/errors.js';
import { isThere } from '../../directory/is-there.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { findProgram, variable } from './programs.js';

export interface ImageFolder {
  engine: string;
  folder: string;
  /** A command of the engine that removes what nobody uses. */
  makeRoom?: string;
  /** How the engine is given another folder. */
  another?: { says: string; command: string };
}

/** Source: docs/containerd.md, Room for the checkpoint. */
const byEnvironment = {
  says: 'below [Service], Environment=TMPDIR=/var/lib/containerd-tmp gives it another folder',
  command: 'mkdir -p /var/lib/containerd-tmp && systemctl edit containerd && systemctl restart containerd',
};

/** The folders that exist, and those whose file server does not answer. */
export function imageFolders(context: TestbedContext): ImageFolder[] {
  const home = variable(context, 'HOME');
  const isRoot = context.host.uid() === 0;
  const [crio, podman] = ['crio', 'podman'].map(program => findProgram(context, program));
  const podmans = {
    engine: crio ? 'podman, CRI-O' : 'podman',
    folder: isRoot ? podmansRoot(context) : `${home}/.local/share/containers/storage`,
    makeRoom: 'podman image prune',
  };
  const all: ImageFolder[] = [
    ...(crio || podman ? [podmans] : []),
    { engine: 'docker', folder: dockersRoot(context), makeRoom: 'docker image prune' },
    { engine: 'kubelet', folder: '/var/lib/kubelet/checkpoints' },
    ...(findProgram(context, 'containerd')
      ? [{ engine: 'containerd', folder: containerdsFolder(context), another: byEnvironment }]
      : []),
  ];
  return all.filter(({ folder }) => isThere(context, folder) !== 'no');
}

/** Source: containers-storage.conf(5), graphroot. */
function podmansRoot(context: TestbedContext): string {
  const { files } = context.host;
  try {
    const text = files.readIfThere('/etc/containers/storage.conf', bounds.policy)?.toString('utf8') ?? '';
    const named = /^[ \t]*graphroot[ \t]*=[ \t]*"(\/[^"\n]*)"/m.exec(text)?.[1];
    if (named !== undefined) return named;
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
  }
  const standard = '/var/lib/containers/storage';
  return isThere(context, standard) === 'no' ? '/var/lib/containers' : standard;
}

/** Source: dockerd(8), data-root. */
function dockersRoot({ host }: TestbedContext): string {
  try {
    const text = host.files.readIfThere('/etc/docker/daemon.json', bounds.policy)?.toString('utf8');
    const { 'data-root': root } = JSON.parse(text ?? '{}') as { 'data-root'?: unknown };
    if (typeof root === 'string' && root.startsWith('/')) return root;
  } catch (error) {
    const isOurs = error instanceof SyntaxError || error instanceof GhostkeepError;
    if (!isOurs && errnoOf(error) === undefined) throw error;
  }
  return '/var/lib/docker';
}

/**
 * containerd makes a folder for each checkpoint in its temporary folder: src/flows/container/image-place.ts.
 */
function containerdsFolder({ host }: TestbedContext): string {
  const { processes } = host;
  for (const pid of processes.listPids()) {
    try {
      if (processes.commandName(pid) !== 'containerd' || processes.uid(pid) !== 0) continue;
      const named = ['XDG_RUNTIME_DIR', 'TMPDIR'].map(key => processes.environment(pid, key));
      const folder = named.find(one => one?.startsWith('/'));
      if (folder !== undefined) return folder;
    } catch (error) {
      // The process has ended, or we may not look at it.
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return '/tmp';
}
