/**
 * Makes one change to cgroup.img: a container that we froze shall run when it is restored. crun lets CRIU
 * restore cgroup.freeze, so the container would come back frozen. The image is edited where it lies and never
 * decoded: two bytes of it can be a message, which takes some 100 bytes of memory when it is decoded.
 */
import { FieldReader, WireType } from './field-reader.js';
import { broken, entryPlaces, magic } from './frame.js';

const name = 'cgroup.img';

/**
 * For each value that stops a cgroup, the value that lets it run. The second is never longer than the first,
 * and the kernel ignores the spaces that fill the rest. Source: cgroup-v2.rst, cgroup.freeze;
 * freezer-subsystem.rst, freezer.state.
 */
const running = new Map<string, ReadonlyMap<string, string>>([
  ['cgroup.freeze', new Map([['1', '0']])],
  [
    'freezer.state',
    new Map([
      ['FROZEN', 'THAWED'],
      ['FREEZING', 'THAWED'],
    ]),
  ],
]);
/** No name or value that we look for is longer. */
const longest = 16;

/** CRIU nests a message for each folder of a cgroup's path, and a path has at most 4,096 bytes. */
const deepest = 2_100;

/**
 * For each kind of message in CRIU's images/cgroup.proto: the fields that lead to properties, and the kind of
 * message in each.
 */
const fields = {
  image: { 2: 'controller' },
  controller: { 2: 'dir' },
  dir: { 2: 'dir', 3: 'property' },
} as const;

type Parent = keyof typeof fields;

/**
 * Makes every frozen cgroup run, in BYTES itself, because a copy would take as much memory again.
 * @returns BYTES, or undefined when no cgroup was frozen. Nothing else changes
 */
export function thawCgroups(bytes: Buffer): Buffer | undefined {
  const image: Image = { reader: new FieldReader(bytes), isThawed: false };
  for (const { start, end } of entryPlaces(bytes, magic.CGROUP, name)) {
    image.reader.pos = start;
    try {
      thawInside(image, end, 'image', 0);
    } catch (cause) {
      throw broken(name, `an entry is not a CgroupEntry (${(cause as Error).message})`);
    }
  }
  return image.isThawed ? bytes : undefined;
}

interface Image {
  reader: FieldReader;
  isThawed: boolean;
}

/** Thaws the cgroups in a message of the kind PARENT, which ends at END. */
function thawInside(image: Image, end: number, parent: Parent, depth: number): void {
  if (depth > deepest) throw new RangeError(`it is nested more than ${deepest} times`);
  const { reader } = image;
  const inside: Readonly<Record<number, Parent | 'property'>> = fields[parent];
  while (reader.next(end)) {
    const kind = reader.type === WireType.LengthDelimited ? inside[reader.field] : undefined;
    if (kind === undefined) reader.skip(end);
    else if (kind === 'property') thawProperty(image, reader.endOfField(end));
    else thawInside(image, reader.endOfField(end), kind, depth + 1);
  }
}

function thawProperty(image: Image, end: number): void {
  const { reader } = image;
  let property = '';
  let value = '';
  let valueAt = 0;
  while (reader.next(end)) {
    if (reader.type !== WireType.LengthDelimited || reader.field > 2) {
      reader.skip(end);
      continue;
    }
    const textEnd = reader.endOfField(end);
    if (reader.field === 1) property = shortText(reader, textEnd);
    else {
      valueAt = reader.pos;
      value = shortText(reader, textEnd);
    }
  }
  const wanted = running.get(property)?.get(value.trim());
  if (wanted === undefined) return;
  reader.bytes.write(wanted.padEnd(value.length), valueAt, 'latin1');
  image.isThawed = true;
}

/**
 * Reads a text up to END. The result is empty where the text is longer than all names and values that we look
 * for.
 */
function shortText(reader: FieldReader, end: number): string {
  const start = reader.pos;
  reader.pos = end;
  return end - start > longest ? '' : reader.bytes.toString('latin1', start, end);
}
