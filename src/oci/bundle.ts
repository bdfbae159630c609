/** A bundle's config.json, as far as running its hooks needs it. Source: OCI runtime-spec, config.md. */
import { parseDocument } from '../base/documents/document.js';
import type { BundleHook, BundleMount, Bundle as Document } from '../base/documents/generated/bundle.js';

export type { BundleHook, BundleMount };

/** If `hooks`, or one of its lists, is null, it counts as absent, because runtimes read it so. */
export interface Bundle extends Omit<Document, 'hooks'> {
  hooks?: { [Stage in keyof NonNullable<Document['hooks']>]?: BundleHook[] };
}

/** @throws BAD_INPUT naming every field that is wrong */
export function parseBundle(text: string, path: string): Bundle {
  const { hooks, ...others } = parseDocument<Document>('Bundle', text, path, 'BAD_INPUT');
  if (!hooks) return others;
  return { ...others, hooks: Object.fromEntries(Object.entries(hooks).filter(([, list]) => list !== null)) };
}
