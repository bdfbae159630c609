/** One container of runc with a ghost that CRIU alone refuses, checkpointed and restored for real. */

import type { TrialStep } from '../../../base/documents/generated/trial.js';
import { counted } from '../../../base/text/counted.js';
import type { TestbedContext } from '../testbed-context.js';
import { StepFailed, Timeline } from '../timeline.js';
import { RealContainer } from './container.js';
import type { RealTools } from './tools.js';

/** @returns true if all steps worked */
export async function realThing(
  context: TestbedContext,
  tools: RealTools,
  onStep: (step: TrialStep) => void,
): Promise<boolean> {
  const timeline = new Timeline(context, onStep);
  const container = new RealContainer(context, tools);
  try {
    await play(timeline, container, tools);
    return true;
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    return false;
  } finally {
    await container.remove();
  }
}

async function play(timeline: Timeline, container: RealContainer, { versions }: RealTools): Promise<void> {
  await timeline.step(
    'container',
    () => container.start(),
    pid => `${versions}: process ${pid} holds a file of 1 GiB hole and 2 MiB data, without a name`,
  );
  const refusal = await timeline.step(
    'runc',
    () => container.checkpoint(),
    said =>
      said === undefined
        ? '`runc checkpoint` as always: done, the gate is installed'
        : `\`runc checkpoint\`: refused by CRIU: ${said}`,
  );
  if (refusal !== undefined)
    await timeline.step(
      'ghostkeep',
      () => container.checkpointWithGhostkeep(),
      ghosts =>
        `\`ghostkeep checkpoint -- runc checkpoint\`: done, ${counted(ghosts, 'ghost')} sealed in the image`,
    );
  await timeline.step(
    'restore',
    () => container.restore(),
    pid => `\`runc restore\`: process ${pid}, by CRIU alone from what is now an ordinary image`,
  );
  await timeline.step(
    'verdict',
    () => container.verdict(),
    right => `the container has looked at its file: ${right} checks right, none wrong`,
  );
}
