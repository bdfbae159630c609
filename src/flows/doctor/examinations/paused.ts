import { forgottenFreezes, thawForgotten } from '../../container/pause/frozen.js';
import { forgottenPauses, resumeForgotten } from '../../container/pause/paused.js';
import { broken, type Examine, ok } from '../look/finding.js';

const name = 'paused';

/** Is a container still paused, or a process still frozen, by a ghostkeep that was killed? */
export const examinePaused: Examine = async (context, { clean }) => {
  if (clean) {
    await resumeForgotten(context);
    thawForgotten(context);
  }
  const left = [
    ...forgottenPauses(context).map(({ container }) => `container ${container}`),
    ...forgottenFreezes(context).map(({ what }) => what),
  ];
  if (left.length === 0) return { findings: [ok(name, 'nothing that ghostkeep has paused is left so')] };
  return {
    findings: left.map(what =>
      broken(name, `${what} is paused: the ghostkeep that did it was killed`, 'ghostkeep doctor --clean'),
    ),
  };
};
