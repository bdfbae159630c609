import { configPath } from '../../container/policy.js';
import { broken, type Examine, ok } from '../look/finding.js';
import { hostPolicy } from '../look/policy.js';

const name = 'settings';

/** Can the host's policy be read? Otherwise every checkpoint with a ghost fails. */
export const examineSettings: Examine = context => {
  const settings = hostPolicy(context);
  if ('fault' in settings) {
    const says = `${settings.fault}; correct it, or take it away`;
    return { findings: [broken(name, says, `mv ${configPath} ${configPath}.away`)] };
  }
  const { policy, isThere } = settings;
  if (!isThere) return { findings: [ok(name, `no ${configPath}, so each has its default`)] };
  const shown = policy.enabled ? `engine ${policy.engine}` : 'ghostkeep is switched off (enabled)';
  return { findings: [ok(name, `${configPath}: ${shown}`)] };
};
