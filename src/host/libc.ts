/** What Node does not have of the C library, through koffi (docs/decisions/0001-koffi.md). */
import { createRequire } from 'node:module';

type Lseek = (fd: number, offset: bigint, whence: number) => number | bigint;

/** MFD_CLOEXEC. Source: linux/memfd.h */
const closeOnExec = 1;

let lseek: Lseek | undefined;

const load = () => createRequire(import.meta.url)('koffi') as typeof import('koffi');

/** lseek(2). @returns the new offset, or a negative errno */
export function seek(fd: number, offset: bigint, whence: number): bigint {
  const koffi = load();
  lseek ??= koffi.load(null).func('int64_t lseek(int, int64_t, int)') as unknown as Lseek;
  const result = BigInt(lseek(fd, offset, whence));
  return result < 0n ? -BigInt(koffi.errno()) : result;
}

/** memfd_create(2), closed on exec; undefined where that is not to be had. */
export function createMemfd(name: string): number | undefined {
  const create = load().load(null).func('int memfd_create(const char *, unsigned int)');
  const fd = create(name, closeOnExec) as number;
  return fd < 0 ? undefined : fd;
}

/**
 * _exit(2). Node's own exit waits for libuv's threads (uv_library_shutdown() joins them), and the very one that a deadline is
 * for hangs in a read from a dead server.
 */
export function exitAtOnce(status: number): void {
  try {
    load().load(null).func('void _exit(int)')(status);
  } catch {
    // An installation without koffi: whoever waits is told of a signal, not of a status.
    process.kill(process.pid, 'SIGKILL');
  }
}
