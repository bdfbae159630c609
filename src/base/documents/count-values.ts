/** Below this many characters, no document has so many values that it matters. */
const shortText = 1 << 20;

const [quote, backslash, comma, colon, bracket, brace] = [0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x7b];

export interface JsonCount {
  /** Values that the text has, at most. */
  values: number;
  /** Different keys of its objects; of more than MOSTNAMES it is not known how many. */
  names: number;
}

/** It costs less to count what a JSON text has than to have it. Nothing is counted of a short text. */
export function countJson(text: string, mostNames: number): JsonCount {
  if (text.length < shortText) return { values: 0, names: 0 };
  const names = new Set<string>();
  let values = 1;
  let start = -1;
  let last = '';
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      if (start >= 0) last = text.slice(start, at);
      start = start < 0 ? at + 1 : -1;
    } else if (start >= 0) at += code === backslash ? 1 : 0;
    else if (code === colon && names.size <= mostNames) names.add(last);
    else if (code === comma || code === bracket || code === brace) values += 1;
  }
  return { values, names: names.size };
}

/** As countJson's values. */
export function countValues(text: string): number {
  return countJson(text, -1).values;
}
