import { GhostkeepError } from './errors.js';

const powers: Record<string, bigint> = { '': 0n, K: 10n, M: 20n, G: 30n, T: 40n };

/** Bytes from `4096`, `16M`, `1g`. The units are powers of 1024, as in CRIU. */
export function parseSize(text: string | number, name: string): bigint {
  const match = /^([0-9]{1,19})([KMGT]?)$/.exec(String(text).toUpperCase());
  if (!match) {
    throw new GhostkeepError(
      'BAD_INPUT',
      name,
      `cannot read ${name} ${JSON.stringify(text)}: it must be a whole number of bytes, K, M, G or T`,
    );
  }
  return BigInt(match[1] as string) << (powers[match[2] as string] as bigint);
}

/** `2.1 GiB`, for people. */
export function showBytes(bytes: bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1).replace(/\.0$/, '')} ${units[unit]}`;
}

/** JSON carries integers exactly up to 2^53. Larger ones become a string of digits (design: scan --json). */
export function countToJson(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

export function countFromJson(value: number | string): bigint {
  return BigInt(value);
}

/** `SECONDS.NANOSECONDS`, exact, also before 1970, because the nanoseconds always count forward. */
export function showTime(nanoseconds: bigint): string {
  const second = 1_000_000_000n;
  const rest = ((nanoseconds % second) + second) % second;
  return `${(nanoseconds - rest) / second}.${rest.toString().padStart(9, '0')}`;
}

/**
 * The inverse of showTime, split into the fields of timespec(3type).
 * @throws BAD_INPUT, also where the seconds do not fit into time_t
 */
export function parseTime(text: string): { seconds: bigint; nanoseconds: bigint } {
  const [, digits, nanoseconds] = /^(-?[0-9]{1,19})\.([0-9]{9})$/.exec(text) ?? [];
  const seconds = BigInt(digits ?? 0);
  if (nanoseconds === undefined || BigInt.asIntN(64, seconds) !== seconds) throw isNot(text, 'a time');
  return { seconds, nanoseconds: BigInt(nanoseconds) };
}

/** Linux dev_t as stat(2) gives it, in its two parts. Source: makedev(3), glibc's 64-bit layout. */
export function splitDev(dev: bigint): { major: number; minor: number } {
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  };
}

/** Source: makedev(3), glibc's 64-bit layout. */
export function makeDev(major: bigint, minor: bigint): bigint {
  return (
    ((major & 0xfffff000n) << 32n) |
    ((major & 0xfffn) << 8n) |
    ((minor & 0xffffff00n) << 12n) |
    (minor & 0xffn)
  );
}

/**
 * The inverse of showDev.
 * @throws BAD_INPUT, also where major or minor has more than 32 bits, as makeDev would drop the rest
 */
export function parseDev(text: string): bigint {
  const [, major, minor] = /^([0-9]{1,10}):([0-9]{1,10})$/.exec(text) ?? [];
  if (!(Number(major) <= 0xffffffff && Number(minor) <= 0xffffffff)) throw isNot(text, 'a device');
  return makeDev(BigInt(major as string), BigInt(minor as string));
}

/** `8:1`, the way mountinfo writes a device. */
export function showDev(dev: bigint): string {
  const { major, minor } = splitDev(dev);
  return `${major}:${minor}`;
}

function isNot(text: string, what: string): GhostkeepError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new GhostkeepError('BAD_INPUT', shown, `${shown} is not ${what}`);
}
