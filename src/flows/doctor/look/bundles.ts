/**
 * Annotations of the containers that engines keep bundles of. Whoever starts a container chooses its
 * annotations.
 */
import { bounds } from '../../../base/bounds.js';
import { errnoOf, GhostkeepError } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

const mostBundles = 1000;

/** @returns containers, by their ids, that have ANNOTATION */
export function annotationsNaming(
  context: TestbedContext,
  annotation: string,
): { container: string; value: string }[] {
  return bundlesOf(context).flatMap(({ container, config }) => {
    const value = readAnnotations(context, config)[annotation];
    return typeof value === 'string' ? [{ container, value }] : [];
  });
}

function bundlesOf(context: TestbedContext): { container: string; config: string }[] {
  const containerd = '/run/containerd/io.containerd.runtime.v2.task';
  const podman = '/run/containers/storage/overlay-containers';
  return [
    ...list(context, containerd).flatMap(namespace =>
      list(context, `${containerd}/${namespace}`).map(id => ({
        container: id,
        config: `${containerd}/${namespace}/${id}/config.json`,
      })),
    ),
    ...list(context, podman).map(id => ({
      container: id,
      config: `${podman}/${id}/userdata/config.json`,
    })),
  ].slice(0, mostBundles);
}

function readAnnotations({ host }: TestbedContext, config: string): Record<string, unknown> {
  const text = orNothing(() => host.files.readIfThere(config, bounds.bundle)?.toString('utf8')) ?? '{}';
  try {
    const { annotations } = JSON.parse(text) as { annotations?: unknown };
    return typeof annotations === 'object' && annotations !== null ? { ...annotations } : {};
  } catch {
    return {};
  }
}

function list({ host }: TestbedContext, folder: string): string[] {
  return orNothing(() => host.files.list(folder)) ?? [];
}

/** A bundle that we may not read tells us nothing. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    return undefined;
  }
}
