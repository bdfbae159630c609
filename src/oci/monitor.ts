/**
 * An engine leaves a monitor beside each container: the parent of the container's first process. Its command
 * line says which engine it is, and where that engine keeps the container's files.
 */
import path from 'node:path';

/**
 * An engine that chooses the folder for CRIU's images itself. runc and crun are given one with each command.
 */
export type Monitor =
  /** The folder for images is the daemon's to know. The daemon listens on this socket. */
  | { engine: 'containerd'; socket: string }
  /** The engine makes the folder for images in this one. */
  | { engine: 'podman' | 'cri-o'; folder: string };

/**
 * Tells from a process's command line whether the process is an engine's monitor of a container.
 * @returns undefined if it is none, and also if it monitors a process that `podman exec` started
 */
export function parseMonitor(argv: readonly string[]): Monitor | undefined {
  const [program = '', ...words] = argv;
  switch (path.basename(program)) {
    case 'containerd-shim-runc-v2':
      return parseShim(words);
    case 'conmon':
      return parseConmon(words);
    default:
      return undefined;
  }
}

/** Source: containerd, core/runtime/v2/shim/util.go (Command) and pkg/shim/shim.go (parseFlags). */
function parseShim(words: readonly string[]): Monitor | undefined {
  const socket = wordAfter(words, '-address');
  return socket === undefined ? undefined : { engine: 'containerd', socket };
}

/**
 * Podman puts the images into the bundle's folder, CRI-O into the one that outlives a reboot. Only Podman has
 * a command that runs at the end. Source: conmon(8); podman, libpod/oci_conmon_common.go and
 * libpod/container.go (CheckpointPath); CRI-O, internal/oci/runtime_oci.go and container.go (CheckpointPath).
 */
function parseConmon(words: readonly string[]): Monitor | undefined {
  if (words.includes('--exec-process-spec')) return undefined;
  const engine = words.includes('--exit-command') ? 'podman' : 'cri-o';
  const folder = wordAfter(words, engine === 'podman' ? '-b' : '--persist-dir');
  return folder === undefined ? undefined : { engine, folder };
}

function wordAfter(words: readonly string[], option: string): string | undefined {
  const at = words.indexOf(option);
  return at < 0 ? undefined : words[at + 1];
}
