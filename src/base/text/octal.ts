const backslash = 0x5c;

/**
 * In its lists the kernel writes space, tab, newline and backslash as \040, \011, \012, \134. A list of a
 * container may have millions of these, and a regular expression takes a microsecond for each. Source:
 * seq_file.c, mangle_path
 * @param text one character for each byte (latin1)
 */
export function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text, 'latin1');
  let end = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const value = bytes[at] === backslash ? octalAt(bytes, at + 1) : undefined;
    bytes[end++] = value ?? (bytes[at] as number);
    if (value !== undefined) at += 3;
  }
  return bytes.toString('latin1', 0, end);
}

/** @returns undefined where there are no three octal digits */
function octalAt(bytes: Buffer, at: number): number | undefined {
  let value = 0;
  for (let digit = at; digit < at + 3; digit += 1) {
    const byte = bytes[digit] ?? 0;
    if (byte < 0x30 || byte > 0x37) return undefined;
    value = value * 8 + (byte - 0x30);
  }
  return value;
}
