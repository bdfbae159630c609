/** The timeline of a trial: each step's time and whether it worked. A step that fails ends the trial. */
import type { TrialStep } from '../../base/documents/generated/trial.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { TestbedContext } from './testbed-context.js';

/** The report of a step that worked. */
export type Told = string | Pick<TrialStep, 'what' | 'status' | 'stderr'>;

/** The failure is already on the timeline, so no caller reports it again. */
export class StepFailed extends Error {}

export class Timeline {
  readonly steps: TrialStep[] = [];
  readonly #start: number;

  constructor(
    private readonly context: TestbedContext,
    private readonly onStep: (step: TrialStep) => void,
  ) {
    this.#start = context.host.clock();
  }

  /** Runs a step; TELL turns its result into words. @throws StepFailed */
  async step<Result>(
    name: string,
    work: () => Result | Promise<Result>,
    tell: (result: Result) => Told,
  ): Promise<Result> {
    this.context.alive?.();
    try {
      const result = await work();
      const told = tell(result);
      this.#add(name, typeof told === 'string' ? { what: told } : told);
      return result;
    } catch (error) {
      const { status, stderr } = error as { status?: number; stderr?: string };
      this.#add(name, {
        failed: true,
        what: showFailure(error, name),
        ...(typeof status === 'number' ? { status } : {}),
        ...(typeof stderr === 'string' && stderr !== '' ? { stderr } : {}),
      });
      throw new StepFailed(name, { cause: error });
    }
  }

  #add(
    step: string,
    { failed = false, ...told }: Pick<TrialStep, 'what' | 'status' | 'stderr'> & { failed?: boolean },
  ): void {
    const entry = { atMs: Math.round(this.context.host.clock() - this.#start), step, ...told, failed };
    this.steps.push(entry);
    this.onStep(entry);
  }
}

/** Shows a failure with its code, as ghostkeep does everywhere. */
function showFailure(error: unknown, step: string): string {
  const known = errnoOf(error) === undefined ? error : translate(error, 'IO', step, 'cannot go on');
  return `${reasonOf(known)}${known instanceof GhostkeepError ? ` [${known.code}]` : ''}`;
}
