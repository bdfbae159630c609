import type { Forgotten, ForgottenChild } from '../../base/documents/generated/forgotten.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { forget } from '../../flows/forget/forget.js';
import { parse } from '../args.js';
import { imagesDir, imagesDirOption } from '../options/images-dir.js';
import { printJson } from '../print/json.js';
import { line } from '../print/line.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function forgetCommand(args: string[]): Promise<number> {
  const parsed = parse(
    'forget',
    args,
    {
      ...imagesDirOption,
      'dry-run': { type: 'boolean' },
      'children-removed': { type: 'boolean' },
      json: { type: 'boolean' },
      ...verboseOption,
    },
    'any',
  );
  const { values } = parsed;
  const result = await forget(contextWithProgress(values), {
    images: imagesDir('forget', parsed),
    dryRun: values['dry-run'] ?? false,
    childrenRemoved: values['children-removed'] ?? false,
  });
  if (values.json) printJson(result);
  else process.stdout.write(show(result));
  return 0;
}

function show({ images, dryRun, children, removedBytes, directoryRemoved, left }: Forgotten): string {
  const size = showBytes(countFromJson(removedBytes));
  const lines = children.map(child => showChild(child, dryRun));
  if (dryRun) lines.push(`${images} would be forgotten: ${size} in files would be removed`);
  else lines.push(`${images} is forgotten: ${size} in files removed`);
  if (left.length > 0) lines.push(`${left.join(', ')} in it: not of this checkpoint, and left there`);
  else if (!directoryRemoved) lines.push(`${images} itself is left, and empty`);
  return lines.map(line).join('');
}

function showChild({ images, parent, joined, whole, bytes }: ForgottenChild, dryRun: boolean): string {
  const what = [
    ...(joined > 0 ? [`${counted(joined, 'ghost')} with what lay between`] : []),
    ...(whole > 0 ? [`${counted(whole, 'ghost')} whole`] : []),
  ].join(' and ');
  const needs = parent ? `needs ${parent}` : 'stands alone';
  const size = showBytes(countFromJson(bytes));
  return dryRun
    ? `${images} would have ${what}, up to ${size} to write; then it ${needs}`
    : `${images} has ${what}, up to ${size} written; it ${needs} now`;
}
