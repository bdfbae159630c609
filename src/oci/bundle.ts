/** A bundle's config.json, as far as running its hooks needs it. Source: OCI runtime-spec, config.md. */
import { parseDocument } from '../base/documents/document.js';
import type { Bundle, BundleHook, BundleMount } from '../base/documents/generated/bundle.js';

export type { Bundle, BundleHook, BundleMount };

/** @throws BAD_INPUT naming every field that is wrong */
export function parseBundle(text: string, path: string): Bundle {
  return parseDocument<Bundle>('Bundle', text, path, 'BAD_INPUT');
}
