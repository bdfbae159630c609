/**
 * In its lists the kernel writes space, tab, newline and backslash as \040, \011, \012, \134. Source:
 * seq_file.c, mangle_path
 */
export function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
