/**
 * A checkpoint whose ghosts go to another host, because the host's config.json has `moveTo`. All bytes of the
 * ghosts are on the receiver's disk before CRIU gets our answer. If they cannot be sent, CRIU ends and the
 * container runs on.
 */
import { reasonOf } from '../../base/errors.js';
import type { Policy, PolicyDocument } from '../../oci/policy.js';
import { resolvePolicy } from '../../oci/policy.js';
import type { Context } from '../context.js';
import type { Elsewhere } from '../dump/copy-one.js';
import { Mover, patienceMs } from '../move/mover.js';
import { sendRound } from '../move/pre-dump.js';
import { sendElsewhere } from '../move/send-copies.js';
import { sendOwned } from '../move/send-images.js';
import { type Target, toConfigured } from '../move/target.js';

export class GateMove {
  readonly #mover: Mover;
  #connecting: Promise<void> | undefined;

  readonly #target: Target;

  /**
   * @param moveTo of the host's config.json: a container has no say in where its files go
   * @throws BAD_POLICY
   */
  constructor(
    private readonly context: Context,
    moveTo: string,
    config: PolicyDocument,
  ) {
    const { moveDeadlineMs: resumeMs } = resolvePolicy(config);
    this.#target = toConfigured(context, moveTo);
    context.log.warn(
      `ghosts are sent to ${moveTo} (\`moveTo\`): this host will not be able to restore the checkpoint`,
    );
    this.#mover = new Mover(context, this.#target, 'dump', {
      resumeMs,
      patienceMs: Math.min(patienceMs, resumeMs),
      isUrgent: true,
    });
  }

  /** Connects before the freeze. If that fails, the checkpoint fails, too: nobody tries again. */
  async connect(): Promise<void> {
    this.#connecting ??= this.#mover.connect();
    return this.#connecting;
  }

  /** Sends the large ghosts while the container runs. */
  async round(pids: readonly number[], policy: Policy): Promise<void> {
    await this.connect();
    if (!policy.warm) return;
    const { ghosts } = await sendRound(this.context, this.#mover, pids, policy);
    const sent = ghosts.filter(({ done }) => done === 'sent').length;
    this.context.log.info(`before the freeze: ${sent} large ghosts sent to ${this.#target.shown}`);
  }

  get elsewhere(): Elsewhere {
    const { moved, take } = sendElsewhere(this.#mover);
    return {
      moved,
      take: async (context, target, copies) => {
        if (copies.length === 0) return new Set();
        await this.connect();
        return take(context, target, copies);
      },
    };
  }

  /**
   * Sends CRIU's files when CRIU has written them. CRIU cannot be stopped any more, and the files are here,
   * so a failure is only reported.
   */
  async sendImages(images: string): Promise<void> {
    const { log, host } = this.context;
    try {
      await sendOwned(this.context, images, this.#target, this.#mover);
    } catch (error) {
      log.error(
        `CRIU's files are not sent: ${reasonOf(error)}; the receiver has the ghosts, and \`ghostkeep send-images -D ${host.files.realPath(images)}\` with --to or --via sends the rest`,
      );
    }
  }

  async close(): Promise<void> {
    await this.#mover.close();
  }
}
