/**
 * An engine leaves a monitor beside each container: the parent of the container's first process. Its command
 * line says which engine it is, and where that engine keeps the container's files.
 */
import path from 'node:path';

/**
 * An engine that chooses the folder for CRIU's images itself. runc and crun do not: each of their commands
 * names a folder.
 */
export type Monitor =
  /** Only the daemon, which listens on this socket, knows the folder for images. */
  | { engine: 'containerd'; socket: string }
  /** The engine makes the folder for images inside this folder. */
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
 * Podman puts the images into the bundle's folder, CRI-O into the folder that outlives a reboot. We tell the
 * two apart by `--exit-command`, which only Podman uses. Source: conmon(8); podman,
 * libpod/oci_conmon_common.go and libpod/container.go (CheckpointPath); CRI-O, internal/oci/runtime_oci.go
 * and container.go (CheckpointPath).
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
