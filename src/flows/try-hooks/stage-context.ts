import type {} from '../../base/host/host.js';
import type { Stage } from '../../base/host/stage.js';
import type { Context } from '../context.js';

export interface StageContext extends Context {
  stage: Stage;
}
