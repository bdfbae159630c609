/**
 * The id of a ghost as people see and type it. CRIU writes ids into the names of images in hexadecimal, so
 * we show the same digits, and `0x` before them says so wherever they could be read as decimal.
 */

/** `9`, `0xa`, `0x10`: the image of the last one is ghost-file-10.img. */
export function showId(id: number): string {
  return id < 10 ? String(id) : `0x${id.toString(16)}`;
}

/**
 * The id that a text names. Nothing is guessed: digits alone are decimal, as `id` is in JSON; behind `0x` and
 * in the name of an image or of a restored file they are hexadecimal.
 * @returns undefined for any other text, and for an id that CRIU cannot have given
 */
export function parseId(text: string): number | undefined {
  const [, decimal] = /^(?:ghost-)?([0-9]{1,10})$/.exec(text) ?? [];
  const [, hexadecimal] =
    /^(?:(?:ghost-)?0x|(?:.*\/)?ghost-file-)([0-9a-f]{1,8})(?:\.img)?$/.exec(text) ?? [];
  const id = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
  return id >= 1 && id <= 0xffffffff ? id : undefined;
}
