import { parseDocument } from '../base/documents/document.js';
import type { OciState } from '../base/documents/generated/oci-state.js';

export type { OciState };

/** Far larger than any real state. A hook must not read more. */
export const largestStateBytes = 1024 * 1024;

/**
 * Parses the state of a container. A runtime writes that text to the stdin of a hook, and `runc state` prints
 * it. Source: OCI runtime-spec, runtime.md, State.
 * @param source where the text comes from, for the message
 * @throws BAD_STATE
 */
export function parseState(text: string, source = 'on stdin'): OciState {
  return parseDocument<OciState>('OciState', text, `the container state ${source}`, 'BAD_STATE');
}
