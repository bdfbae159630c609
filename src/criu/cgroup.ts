/**
 * Changes one thing in cgroup.img. crun lets CRIU restore cgroup.freeze, so a container that we had frozen
 * would come back frozen.
 */
import { joinImage, magic, splitImage } from './frame.js';
import { type CgroupDirEntry, CgroupEntrySchema } from './generated/images_pb.js';
import { decode, encode } from './message.js';

const name = 'cgroup.img';
/**
 * Each property, and its value for a running cgroup. Source: cgroup-v2.rst, cgroup.freeze;
 * freezer-subsystem.rst, freezer.state.
 */
const running: Record<string, string> = { 'cgroup.freeze': '0', 'freezer.state': 'THAWED' };

/** The image with every frozen cgroup set to running; undefined when no cgroup is frozen. */
export function thawCgroups(bytes: Buffer): Buffer | undefined {
  let changed = false;
  const thawDir = (dir: CgroupDirEntry) => {
    for (const property of dir.properties) {
      const wanted = running[property.name];
      if (wanted === undefined || property.value.trim() === wanted) continue;
      property.value = wanted;
      changed = true;
    }
    for (const child of dir.children) thawDir(child);
  };
  const entries = splitImage(bytes, magic.CGROUP, name).map(entry => {
    const message = decode(CgroupEntrySchema, entry, name);
    for (const controller of message.controllers) for (const dir of controller.dirs) thawDir(dir);
    return encode(CgroupEntrySchema, message, name);
  });
  return changed ? joinImage(magic.CGROUP, entries) : undefined;
}
