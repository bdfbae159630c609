import os from 'node:os';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { chrootOf } from '../look/chroot.js';
import { broken, type Examine, type Finding, ok, warning } from '../look/finding.js';
import { installCommand } from '../look/way-out.js';

/** The first kernel with openat2(2), by which no path is followed out of its folder. */
const oldest = [5, 6] as const;

/** Has the kernel what CRIU and ghostkeep need? */
export const examineKernel: Examine = context => {
  const release = os.release();
  const name = 'kernel';
  const shown = `Linux ${release}, ${os.machine()}`;
  const newer = installCommand(context, `linux-image-${os.machine() === 'x86_64' ? 'amd64' : 'arm64'}`);
  if (isOlder(release))
    return { findings: [broken(name, `${shown}: ${oldest.join('.')} or later is needed`, newer)] };
  // Source: fs/proc/base.c, which has map_files only with CONFIG_CHECKPOINT_RESTORE.
  if (!context.host.files.exists('/proc/self/map_files'))
    return { findings: [broken(name, `${shown}: it is built without CONFIG_CHECKPOINT_RESTORE`, newer)] };
  return { findings: [ok(name, shown), ...chroot(context)] };
};

/** There is such a line only in a chroot. */
function chroot(context: TestbedContext): Finding[] {
  const how = chrootOf(context);
  if (how === undefined) return [];
  const says = `doctor runs in a chroot (${how}): every other line is about the files in it, not about the host's`;
  return [warning('chroot', says)];
}

function isOlder(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map(part => Number.parseInt(part, 10));
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}
