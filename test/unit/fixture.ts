import { readFileSync } from 'node:fs';

/** Bytes of test/fixtures/NAME. */
export const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
