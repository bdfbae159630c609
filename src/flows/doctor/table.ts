/** Everything that `ghostkeep doctor` looks at, in the order in which it is shown. */
import { examineCapabilities } from './examinations/capabilities.js';
import { examineCriu } from './examinations/criu.js';
import { examineGate } from './examinations/gate.js';
import { examineHooks } from './examinations/hooks.js';
import { examineImages } from './examinations/images.js';
import { examineKernel } from './examinations/kernel.js';
import { examineLeftovers } from './examinations/leftovers.js';
import { examineOptions } from './examinations/options.js';
import { examinePaused } from './examinations/paused.js';
import { examineProgram } from './examinations/program.js';
import { examineRuntimes } from './examinations/runtimes.js';
import { examineSettings } from './examinations/settings.js';
import type { Examine } from './look/finding.js';

export interface Examination {
  examine: Examine;
  /**
   * After this time the examination is given up, which is a finding of its own. A host under load takes ten
   * times as long as others.
   */
  waitMs: number;
}

const quick = 20_000;

export const examinations: Record<string, Examination> = {
  ghostkeep: { examine: examineProgram, waitMs: quick },
  kernel: { examine: examineKernel, waitMs: quick },
  capabilities: { examine: examineCapabilities, waitMs: quick },
  criu: { examine: examineCriu, waitMs: 2 * quick },
  // Longer than the steps of trial/criu-trial.ts together, so that it removes what it has made.
  gate: { examine: examineGate, waitMs: 150_000 },
  'criu options': { examine: examineOptions, waitMs: quick },
  settings: { examine: examineSettings, waitMs: quick },
  runtimes: { examine: examineRuntimes, waitMs: quick },
  hooks: { examine: examineHooks, waitMs: quick },
  images: { examine: examineImages, waitMs: 2 * quick },
  leftovers: { examine: examineLeftovers, waitMs: 2 * quick },
  // A runtime may take half a minute to resume each container.
  paused: { examine: examinePaused, waitMs: 150_000 },
};
