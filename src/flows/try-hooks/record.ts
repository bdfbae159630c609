/** Writes the image directory into the session that prestart has left, as the gate would. */
import { GhostkeepError } from '../../base/errors.js';
import { annotationPrefix } from '../../oci/policy.js';
import { configPath, policyOfSession } from '../container/policy.js';
import { readSession, type Session, writeSession } from '../container/sessions.js';
import type { TriedBundle } from './bundle.js';
import type { TestbedContext } from './testbed-context.js';

/** @throws HOOK_FAILED if there is no session, or if its policy turns the hooks off */
export function recordImages(
  context: TestbedContext,
  { config: { annotations } }: TriedBundle,
  id: string,
  images: string,
): Session {
  const session = readSession(context, id);
  if (!session) {
    throw new GhostkeepError(
      'HOOK_FAILED',
      id,
      `the hooks left no session of ${id}: has the bundle an annotation io.ghostkeep.*, and is ghostkeep's prestart among its hooks, and run by the same user?`,
    );
  }
  if (!policyOfSession(context, session).enabled) {
    const annotation = `${annotationPrefix}enabled`;
    const by =
      annotations?.[annotation] === undefined
        ? `"enabled": false in ${configPath}`
        : `the annotation ${annotation}=false`;
    throw new GhostkeepError(
      'HOOK_FAILED',
      id,
      `the hooks do nothing here: ${by} leaves files to CRIU; try with the annotation ${annotation}=true`,
    );
  }
  context.host.files.makeDirectory(images, 0o700);
  const recorded = { ...session, images };
  writeSession(context, recorded);
  return recorded;
}
