/**
 * cgroup.img, for one thing: crun lets CRIU restore cgroup.freeze, so a container we froze would come back
 * frozen. The image is edited where it lies and never decoded: two bytes of it can be a message, which takes
 * some 100 bytes of memory when it is decoded.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { broken, entriesOf, magic } from './frame.js';

const name = 'cgroup.img';

/**
 * The value that lets a cgroup run for each value that stops it. No running value is longer, and the kernel
 * ignores spaces at the end. Source: cgroup-v2.rst, cgroup.freeze; freezer-subsystem.rst, freezer.state.
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

/** Fields of CRIU's images/cgroup.proto that lead to properties: a kind of message, field, what it holds. */
const fields = {
  image: { 2: 'controller' },
  controller: { 2: 'dir' },
  dir: { 2: 'dir', 3: 'property' },
} as const;

type Parent = keyof typeof fields;

/** The image with every frozen cgroup running; undefined when there is none. Nothing else changes. */
export function thawCgroups(bytes: Buffer): Buffer | undefined {
  const image: Image = { bytes, reader: new BinaryReader(bytes), thawed: undefined };
  for (const entry of entriesOf(bytes, magic.CGROUP, name)) {
    const start = entry.byteOffset - bytes.byteOffset;
    image.reader.pos = start;
    try {
      thawInside(image, start + entry.length, 'image', 0);
    } catch (cause) {
      throw broken(name, `an entry is not a CgroupEntry (${(cause as Error).message})`);
    }
  }
  return image.thawed;
}

interface Image {
  bytes: Buffer;
  reader: BinaryReader;
  thawed: Buffer | undefined;
}

/** Thaw what is in a message that ends at END. */
function thawInside(image: Image, end: number, parent: Parent, depth: number): void {
  if (depth > deepest) throw new RangeError(`it is nested more than ${deepest} times`);
  const inside: Readonly<Record<number, Parent | 'property'>> = fields[parent];
  while (image.reader.pos < end) {
    const [field, type] = image.reader.tag();
    const kind = type === WireType.LengthDelimited ? inside[field] : undefined;
    if (kind === undefined) skipField(image, end, field, type);
    else if (kind === 'property') thawProperty(image, endOfField(image, end));
    else thawInside(image, endOfField(image, end), kind, depth + 1);
  }
}

function thawProperty(image: Image, end: number): void {
  const texts = ['', '', ''];
  let valueAt = 0;
  while (image.reader.pos < end) {
    const [field, type] = image.reader.tag();
    if (type !== WireType.LengthDelimited || field > 2) {
      skipField(image, end, field, type);
      continue;
    }
    const textEnd = endOfField(image, end);
    if (field === 2) valueAt = image.reader.pos;
    texts[field] = shortText(image, textEnd);
  }
  const [, property = '', value = ''] = texts;
  const wanted = running.get(property)?.get(value.trim());
  if (wanted === undefined) return;
  image.thawed ??= Buffer.from(image.bytes);
  image.thawed.write(wanted.padEnd(value.length), valueAt, 'latin1');
}

/** Empty where it is longer than all that we look for. */
function shortText({ bytes, reader }: Image, end: number): string {
  const start = reader.pos;
  reader.pos = end;
  return end - start > longest ? '' : bytes.toString('latin1', start, end);
}

function endOfField({ reader }: Image, end: number): number {
  const length = reader.uint32();
  assertInside(reader.pos + length, end);
  return reader.pos + length;
}

function skipField({ reader }: Image, end: number, field: number, type: WireType): void {
  reader.skip(type, field);
  assertInside(reader.pos, end);
}

function assertInside(at: number, end: number): void {
  if (at > end) throw new RangeError(`a field ends at ${at}, and what it is in at ${end}`);
}
