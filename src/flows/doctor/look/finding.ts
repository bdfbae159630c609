/** One line of `ghostkeep doctor`: what was examined, how it is, and the command that mends it. */
import type { BasesOfFolder, Finding } from '../../../base/documents/generated/doctor.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

export type { BasesOfFolder, Finding };

export interface DoctorRequest {
  /** Remove what nobody comes for, and let containers go on that we left paused. */
  clean: boolean;
  /** A directory for images, besides those of the engines. */
  images?: string;
}

export interface Examined {
  findings: Finding[];
  bases?: BasesOfFolder[];
}

/**
 * Looks at one part of the host. It changes nothing unless `clean` asks for it. It may throw or wait for
 * ever: it runs in a process of its own, with a deadline.
 */
export type Examine = (context: TestbedContext, request: DoctorRequest) => Examined | Promise<Examined>;

export const ok = (name: string, says: string): Finding => ({ name, status: 'ok', says });

/** @param command mends it; there may be none for what only needs attention */
export const warning = (name: string, says: string, command?: string): Finding =>
  finding(name, 'warning', says, command);

export const broken = (name: string, says: string, command?: string): Finding =>
  finding(name, 'broken', says, command);

function finding(name: string, status: Finding['status'], says: string, command?: string): Finding {
  return { name, status, says, ...(command === undefined ? {} : { command }) };
}

/** The command for a user who is not root and may not look at everything. */
export const asRoot = 'sudo ghostkeep doctor';
