import { createRequire } from 'node:module';

declare const GHOSTKEEP_VERSION: string | undefined;

/** Put in by the bundler; from package.json where the sources run unbundled, in tests. */
export const version: string =
  typeof GHOSTKEEP_VERSION === 'string'
    ? GHOSTKEEP_VERSION
    : (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
