/**
 * Splits a command into words as a shell does, without doing anything else that a shell does: quotes and
 * backslashes have their meaning, and nothing is expanded. Characters on which a shell would act are
 * refused, so that nobody relies on it. Source: POSIX, Shell Command Language, 2.2 Quoting.
 * @returns the words, or the reason as text
 */
export function splitWords(text: string): string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const [char, next] = [text[at] as string, text[at + 1]];
    if (char === ' ' || char === '\t' || char === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      const end = closing(text, at);
      if (end < 0) return `a quote ${char} has no end`;
      const inside = text.slice(at + 1, end);
      const acts = char === '"' ? /(?<!\\)(?:\\\\)*[$`]/.exec(inside) : null;
      if (acts) return `a shell would expand ${acts[0].at(-1)}, and no shell is used`;
      word = (word ?? '') + (char === '"' ? inside.replaceAll(/\\([$`"\\])/g, '$1') : inside);
      at = end;
    } else if (char === '\\') {
      if (next === undefined) return 'nothing follows its last backslash';
      word = (word ?? '') + next;
      at += 1;
    } else if (special.has(char) || (word === undefined && (char === '~' || char === '#'))) {
      return `a shell would act on ${char}, and no shell is used; quote it`;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words.length > 0 ? words : 'it is empty';
}

const special = new Set('|&;<>()$`*?[]{}!');

/** Where the quote that begins at FROM ends; negative if it does not. */
function closing(text: string, from: number): number {
  const quote = text[from];
  for (let at = from + 1; at < text.length; at += 1) {
    if (quote === '"' && text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}
