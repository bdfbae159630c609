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

/** No eye reads more of one text, and each character may become sixteen. */
const mostShown = 1 << 16;

/**
 * On one line, with the `\xNN` of their UTF-8 bytes for such characters. For the eye only: a backslash stays
 * one, and a long text ends in `…`.
 */
export function toPrintable(text: string): string {
  if (text.length > mostShown) return `${toPrintable(text.slice(0, mostShown))}…`;
  return text.replaceAll(everyUnprintable, character =>
    Array.from(Buffer.from(character), escapeByte).join(''),
  );
}

export function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
