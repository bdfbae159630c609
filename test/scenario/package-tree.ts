/**
 * A copy of this host's root, as an overlay in a mount namespace of its own, in which packages are installed. Nothing
 * of it reaches the host, and it is gone with the process that holds the namespace.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const mounts = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir "$1/root/tmp/packages"
mount --bind "$2" "$1/root/tmp/packages"
echo ready
exec sleep infinity`;

export class PackageTree {
  private readonly folder = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-packages-'));
  private holder: ChildProcess | undefined;

  /** @param packages a folder that the tree shows as /tmp/packages */
  async mount(packages: string): Promise<void> {
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', mounts, 'sh', this.folder, packages];
    const holder = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.holder = holder;
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('exit', status => reject(new Error(`the tree was not mounted: status ${status}`)));
    });
  }

  /** Runs a shell command in the tree. */
  run(command: string): { status: number | null; said: string } {
    const root = path.join(this.folder, 'root');
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      [`--mount=/proc/${this.holder?.pid}/ns/mnt`, '--', 'chroot', root, 'sh', '-c', command],
      {
        encoding: 'utf8',
        // bash reads root's .bashrc where stdin is a socket, as Node.js would make it.
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 120_000,
        env: { PATH: process.env.PATH, DEBIAN_FRONTEND: 'noninteractive' },
      },
    );
    return { status, said: stdout + stderr };
  }

  /** Runs a command that has to succeed, and returns what it printed. */
  ok(command: string): string {
    const { status, said } = this.run(command);
    if (status !== 0) throw new Error(`${command}: status ${status}\n${said}`);
    return said;
  }

  remove(): void {
    if (this.holder?.pid !== undefined) execFileSync('kill', ['-KILL', `${this.holder.pid}`]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
