/**
 * Anybody may have written names and documents, and a terminal obeys what they contain. Control characters
 * move the cursor and talk to the terminal, format characters (bidi, zero width) make one name look like
 * another, and line separators forge lines.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const everyUnprintable = new RegExp(unprintable, 'gu');

export function isPrintable(text: string): boolean {
  return !unprintable.test(text);
}

/**
 * We show this many characters of a text at most. Nobody reads more, and each character may become sixteen.
 */
const mostShown = 1 << 16;

/**
 * The text on one line, with unprintable characters as the `\xNN` of their UTF-8 bytes. It is for display
 * only: a backslash stays as it is, and a long text ends in `…`.
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
