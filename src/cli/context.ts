import type { Log } from '../base/log.js';
import type { Context } from '../flows/context.js';
import { linuxHost } from '../host/linux.js';
import { makeLogger } from './log/logger.js';
import { version } from './version.js';

export function makeContext(log: Log = makeLogger(), alive?: () => void): Context {
  return { host: linuxHost(), log, tool: `ghostkeep ${version}`, ...(alive ? { alive } : {}) };
}
