import { GhostkeepError } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import { showLeftOut } from '../../flows/choose/left-out.js';
import { readConfig } from '../../flows/container/policy.js';
import { type Recovery, recoverFiles, toResult } from '../../flows/recover/recover.js';
import { resolvePolicy } from '../../oci/policy.js';
import { parse, required, usage } from '../args.js';
import { orUndo } from '../ending/interrupt.js';
import { selection, selectionOptions } from '../options/selection.js';
import { printJson } from '../print/json.js';
import { errorLine, line } from '../print/line.js';
import { printAll } from '../print/output.js';
import { showFiles, showWithheld } from '../print/show-restored.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

/**
 * The default of --to: a folder made for recovered files, so that their old names do not end up among others.
 */
const standard = 'ghostkeep-recovered';

export async function recoverCommand(args: string[]): Promise<number> {
  const { values } = parse('recover', args, {
    ...selectionOptions,
    cgroup: { type: 'string' },
    to: { type: 'string' },
    paths: { type: 'boolean' },
    'allow-privileged': { type: 'boolean' },
    json: { type: 'boolean' },
    ...verboseOption,
  });
  const chosen = selection('recover', values);
  if (!chosen) throw usage('recover', '--pid, --container, --tree or --cgroup is missing');
  const to = required('recover', '--to', values.to ?? standard);
  const context = contextWithProgress(values);
  const unfinished = new Set<string>();
  const undo = () => {
    for (const path of unfinished) context.host.files.remove(path);
    return `what was not finished is removed; the files that are whole stay in ${to}`;
  };
  const recovery = await orUndo(undo, () =>
    recoverFiles(context, {
      selection: chosen,
      to,
      paths: values.paths ?? false,
      reserve: resolvePolicy(readConfig(context)).reserve,
      allowPrivileged: values['allow-privileged'] ?? false,
      unfinished,
    }),
  );
  const { recovered, failures, leftOut } = recovery;
  if (values.json) printJson(toDocument(recovery));
  else printAll(show(recovery));
  for (const error of failures) process.stderr.write(errorLine(error));
  if (recovered.length === 0 && failures.length === 0 && leftOut.length > 0)
    process.stderr.write(errorLine(nothingRecovered(leftOut.length)));
  return failures.length > 0 || (recovered.length === 0 && leftOut.length > 0) ? 1 : 0;
}

const nothingRecovered = (count: number) =>
  new GhostkeepError(
    'GHOST_LEFT_OUT',
    'recover',
    `cannot recover anything: ${counted(count, 'thing')} could not be looked at or copied, for the reasons above`,
  );

const toDocument = ({ recovered, failures, leftOut }: Recovery) => ({
  recovered: recovered.map(toResult),
  failed: failures.map(({ code, subject, message }) => ({ code, subject, message })),
  leftOut,
});

function* show({ recovered, leftOut }: Recovery): Generator<string> {
  if (recovered.length > 0) yield* showFiles(recovered);
  for (const { path, torn } of recovered) if (torn !== undefined) yield line(`${path} may be torn: ${torn}`);
  for (const text of showLeftOut(leftOut)) yield line(`not recovered: ${text}`);
  yield showWithheld(recovered, 'the container');
  if (recovered.length > 0)
    yield line(`${counted(recovered.length, 'file')} recovered; the processes went on`);
}
