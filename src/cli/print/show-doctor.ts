import type { Doctor } from '../../base/documents/generated/doctor.js';
import { counted } from '../../base/text/counted.js';
import { line } from './line.js';

/** A line for each finding, and below it the command that mends it. */
export function showDoctor({ findings }: Doctor): string {
  const width = findings.reduce((widest, { name }) => Math.max(widest, name.length), 0);
  const lines = findings.map(({ name, status, says, command }) => {
    const first = line(`${status.padEnd(7)}  ${name.padEnd(width)}  ${says}`);
    return command === undefined ? first : first + line(`${' '.repeat(width + 11)}run: ${command}`);
  });
  return `${lines.join('')}\n${line(summary(findings))}`;
}

function summary(findings: Doctor['findings']): string {
  const count = (status: string) => findings.filter(each => each.status === status).length;
  const [broken, warnings] = [count('broken'), count('warning')];
  if (broken + warnings === 0) return 'everything is in order';
  const parts = [
    ...(broken > 0 ? [`${broken} broken`] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ];
  return parts.join(', ');
}
