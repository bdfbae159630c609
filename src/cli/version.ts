import { createRequire } from 'node:module';

declare const GHOSTKEEP_VERSION: string | undefined;
declare const GHOSTKEEP_BUILD: string | undefined;

/** The bundler sets it; if the sources run unbundled, in tests, it comes from package.json. */
export const version: string =
  typeof GHOSTKEEP_VERSION === 'string'
    ? GHOSTKEEP_VERSION
    : (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/** Names the sources that this program and the gate were built from (scripts/sources.mjs). */
export const build: string = typeof GHOSTKEEP_BUILD === 'string' ? GHOSTKEEP_BUILD : 'unbundled';
