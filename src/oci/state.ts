import { parseDocument } from '../base/documents/document.js';
import type { OciState } from '../base/documents/generated/oci-state.js';

export type { OciState };

/** Far above any real state; a hook must not be made to swallow more. */
export const largestStateBytes = 1024 * 1024;

/** The state a runtime writes to a hook's stdin. Source: OCI runtime-spec, runtime.md, State. @throws BAD_STATE */
export function parseState(text: string): OciState {
  return parseDocument<OciState>('OciState', text, 'the container state on stdin', 'BAD_STATE');
}
