/**
 * A bundle of its own (dist/check-document.mjs): install.sh checks the files that it installs with the
 * parsers that will read them.
 */
import { parseHooksD } from '../oci/hooks-d.js';
import { parseConfig, resolvePolicy } from '../oci/policy.js';

/** Parsers by document; each throws an error that names every wrong field. */
export const checkDocument: Record<string, (text: string, path: string) => void> = {
  'hooks-d': (text, path) => void parseHooksD(text, path),
  policy: (text, path) => void resolvePolicy(parseConfig(text, path)),
};
