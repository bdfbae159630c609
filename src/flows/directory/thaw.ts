import { bounds } from '../../base/bounds.js';
import type { Durability, Files } from '../../base/host/host.js';
import { collectAfter } from '../../base/memory.js';
import { thawCgroups } from '../../criu/cgroup.js';

/**
 * Makes the checkpoint in IMAGES say that its cgroups run. Otherwise crun would restore a container that we
 * had paused in the frozen state.
 */
export function thaw(files: Files, images: string, { durable }: Durability): void {
  const path = `${images}/cgroup.img`;
  const bytes = files.readIfThere(path, bounds.cgroup);
  const thawed = bytes && thawCgroups(bytes);
  if (thawed) files.replace(path, thawed, { durable });
  collectAfter(bytes?.length ?? 0);
}
