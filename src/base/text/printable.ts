/**
 * Names and documents are anybody's, and a terminal obeys what they hold: control characters move the cursor
 * and talk to it, format characters (bidi, zero width) make one name look like another, line separators forge
 * lines.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const everyUnprintable = new RegExp(unprintable, 'gu');

export function isPrintable(text: string): boolean {
  return !unprintable.test(text);
}

/**
 * On one line, with the `\xNN` of their UTF-8 bytes for such characters. For the eye only: a backslash stays
 * one.
 */
export function toPrintable(text: string): string {
  return text.replaceAll(everyUnprintable, character =>
    Array.from(Buffer.from(character), escapeByte).join(''),
  );
}

export function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
