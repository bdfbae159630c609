/** Entry of its own: install.sh checks what it puts in place with the parsers that will read it. */
import { parseHooksD } from '../oci/hooks-d.js';
import { parseConfig, resolvePolicy } from '../oci/policy.js';

/** @throws naming every field that is wrong */
export const checkDocument: Record<string, (text: string, path: string) => void> = {
  'hooks-d': (text, path) => void parseHooksD(text, path),
  policy: (text, path) => void resolvePolicy(parseConfig(text, path)),
};
