import type { BasesOfFolder, Finding } from '../../../base/documents/generated/doctor.js';
import { counted } from '../../../base/text/counted.js';
import { showSome } from '../../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../../base/units.js';
import { closeSession, endedSessions } from '../../container/sessions.js';
import { isThere } from '../../directory/is-there.js';
import { forgottenMoves } from '../../move/tables.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { findBases } from '../left/bases.js';
import { type Crius, namesOfCriu } from '../left/crius-names.js';
import { oldScratch } from '../left/scratch.js';
import { asRoot, broken, type DoctorRequest, type Examine, ok, warning } from '../look/finding.js';
import { quoted } from '../look/programs.js';

const name = 'leftovers';
const clean = 'ghostkeep doctor --clean';
const mostNames = 5;

/** Lists what ghostkeep and CRIU have left behind, where nobody comes for it. */
export const examineLeftovers: Examine = (context, request) => {
  const { clean: isCleaning, images } = request;
  // If there is no such directory, or its file server is dead, the line about images says so.
  const looked = images !== undefined && isThere(context, images) === 'yes' ? { images } : {};
  const bases = findBases(context, { clean: isCleaning, ...looked });
  const crius = namesOfCriu(context);
  const findings = [
    ...bases.filter(({ count }) => count > 0).map(describeBases),
    ...folders(context, request),
    ...sessions(context, request),
    ...moves(context, request),
    ...crius.found.slice(0, mostNames).map(describeName),
    ...theRest(context, crius),
  ];
  const isClean = findings.every(({ status }) => status === 'ok');
  return { findings: isClean ? [...findings, ok(name, 'nothing that nobody comes for')] : findings, bases };
};

export function describeBases({ folder, container, count, bytes, state, pids }: BasesOfFolder): Finding {
  const whose = container === undefined ? '' : ` of container ${container}`;
  const what = `${counted(count, 'base')}${whose} in ${folder}, ${showBytes(countFromJson(bytes))}`;
  if (state === 'left-over') return broken(name, `${what}: nobody comes for them`, clean);
  if (state === 'removed') return ok(name, `${what}: nobody came for them: removed`);
  return ok(name, `${what}: process ${pids.join(', ')} lives, and its next checkpoint takes them`);
}

function folders(context: TestbedContext, request: DoctorRequest): Finding[] {
  const old = oldScratch(context);
  if (old.length === 0) return [];
  const what = `${counted(old.length, 'folder')} of commands that were killed: ${showSome(old)}`;
  if (!request.clean) return [broken(name, what, clean)];
  for (const folder of old) context.host.files.removeTree(folder);
  return [ok(name, `${what}: removed`)];
}

function sessions(context: TestbedContext, request: DoctorRequest): Finding[] {
  const ended = endedSessions(context);
  if (ended.length === 0) return [];
  const what = `records of containers that have ended without poststop: ${showSome(ended)}`;
  if (!request.clean) return [warning(name, what, clean)];
  for (const id of ended) closeSession(context, id);
  return [ok(name, `${what}: removed`)];
}

/**
 * Tables of moves that nobody has gone on with for a week. Each has the digests of what was sent to one
 * receiver. If they are not removed here, the next move to any other receiver removes them.
 */
function moves(context: TestbedContext, request: DoctorRequest): Finding[] {
  const over = forgottenMoves(context);
  if (over.length === 0) return [];
  const what = `tables of moves that nobody has gone on with for a week: ${showSome(over)}`;
  if (!request.clean) return [broken(name, what, clean)];
  for (const folder of over) context.host.files.removeTree(folder);
  return [ok(name, `${what}: removed`)];
}

/**
 * We remove no file of CRIU's: a checkpoint may need those that --link-remap has made, and anybody may have
 * given a file such a name.
 */
function describeName({ path, isLink }: Crius['found'][number]): Finding {
  const why = isLink
    ? 'made by CRIU with --link-remap; once the checkpoint that needs it is gone, it can be removed'
    : 'made by a restore by CRIU that was killed; it can be removed while no restore runs';
  return warning(name, `${path}: ${why}`, `rm ${quoted(path)}`);
}

function theRest(context: TestbedContext, { found, complete, looked }: Crius): Finding[] {
  const more = found.length - mostNames;
  if (more > 0) return [warning(name, `${more} more files of CRIU beside these`)];
  if (complete) return [];
  const isRoot = context.host.uid() === 0;
  const says = isRoot
    ? `only ${looked} files of containers were searched for names of CRIU`
    : 'files of containers were not searched for names of CRIU, which needs root';
  return isRoot ? [ok(name, says)] : [warning(name, says, asRoot)];
}
