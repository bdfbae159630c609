import type {} from '../../base/host/host.js';
import type { Testbed } from '../../base/host/testbed.js';
import type { Context } from '../context.js';

export interface TestbedContext extends Context {
  testbed: Testbed;
}
