/** Limits how much a sender can make the receiver store. */
import { GhostkeepError } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';

export class Room {
  constructor(
    private used: bigint,
    private readonly most: bigint | undefined,
  ) {}

  /** @throws NO_SPACE */
  take(bytes: bigint): void {
    this.used += bytes;
    if (this.most === undefined || this.used <= this.most) return;
    throw new GhostkeepError(
      'NO_SPACE',
      '--max-bytes',
      `cannot receive more: it would be more than the ${showBytes(this.most)} that --max-bytes allows; start the receiver with a larger number`,
    );
  }

  give(bytes: bigint): void {
    this.used = this.used > bytes ? this.used - bytes : 0n;
  }
}
