/** Files of the machine in memory, as a holder has them. */
import type { FileStat, Mount } from '../../src/base/host/host.js';
import { makeDev } from '../../src/base/units.js';

export interface FakeFile {
  stat: FileStat;
  content: Buffer;
  /** statfs f_type */
  magic: bigint;
}

/** A file as one holder has it: the name the kernel shows, and through which mount. */
export interface Opened {
  file: FakeFile;
  name: Buffer;
  mount: number;
  flags: number;
  position: bigint;
}

export function errno(code: string, what = 'fake'): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

export function fakeFile(values: Partial<FileStat> & { content?: Buffer; magic?: bigint } = {}): FakeFile {
  const { content = Buffer.from('ghost'), magic = 0xef53n, ...stat } = values;
  return {
    content,
    magic,
    stat: {
      dev: makeDev(8n, 1n),
      ino: 4711n,
      mode: 0o100644,
      nlink: 0,
      uid: 0,
      gid: 0,
      rdev: 0n,
      size: BigInt(content.length),
      allocated: 4096n,
      blockBytes: 4096,
      atimeNs: 1_000_000_001n,
      mtimeNs: 2_000_000_002n,
      ctimeNs: 3_000_000_003n,
      birthtimeNs: 4_000_000_004n,
      ...stat,
    },
  };
}

export function opened(file: FakeFile, name: string | Buffer, values: Partial<Opened> = {}): Opened {
  return { file, name: Buffer.from(name as string), mount: 30, flags: 0o100002, position: 0n, ...values };
}

export function fakeMount(id: number, values: Partial<Mount> = {}): Mount {
  return {
    id,
    parent: 0,
    dev: makeDev(8n, 1n),
    mountPoint: Buffer.from('/'),
    filesystem: 'ext4',
    readOnly: false,
    ...values,
  };
}
