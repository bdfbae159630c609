import fs from 'node:fs';
import { mapPage } from '../native/libc.js';
import { openToPin } from '../pin/open-to-pin.js';

/**
 * @param link below /proc, to a regular file
 * @returns the path of that file, of any length, followed by " (deleted)" where the file has no name any
 * more.
 *
 * We map a page of the file ourselves and read the path in our own /proc/self/maps, because no other list of
 * the kernel shows more than a page of a path. Source: fs/proc/task_mmu.c, show_map_vma, whose buffer grows;
 * fs/proc/base.c, do_proc_readlink, whose buffer is a page.
 */
export function mappedPath(link: string): Buffer {
  const fd = openToPin(link);
  try {
    return pathOf(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function pathOf(fd: number): Buffer {
  const { address, unmap } = mapPage(fd);
  try {
    // The address is followed by permissions, offset, device, inode and spaces.
    const line = new RegExp(`^0*${address.toString(16)}-\\S+ \\S+ \\S+ \\S+ \\d+ +(.*)$`, 'm');
    const path = line.exec(fs.readFileSync('/proc/self/maps', 'latin1'))?.[1];
    if (path === undefined) throw Object.assign(new Error('a mapping is not in maps'), { code: 'EIO' });
    return Buffer.from(path, 'latin1');
  } finally {
    unmap();
  }
}
