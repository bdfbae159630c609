/**
 * Runs every examination in a process of its own, all at once. An examination that waits for a dead file
 * server or for a program that hangs is killed, and the others have their answers all the same.
 */
import { bounds } from '../../base/bounds.js';
import { parseDocument } from '../../base/documents/document.js';
import type { Doctor } from '../../base/documents/generated/doctor.js';
import { reasonOf } from '../../base/errors.js';
import type { TestbedContext } from '../try-hooks/testbed-context.js';
import { broken, type DoctorRequest } from './look/finding.js';
import { silentMounts } from './look/mounts.js';
import { quoted } from './look/programs.js';
import { type Examination, examinations } from './table.js';

const mostWarnings = 20;

/**
 * @param command the words that run the one examination whose name follows them, and print a Doctor as JSON
 */
export async function examineAll(context: TestbedContext, command: readonly string[]): Promise<Doctor> {
  const open = new Set(Object.keys(examinations));
  const stop = beginExaminations(context, open);
  const examineNext = async ([name, one]: [string, Examination]) => {
    const result = await examineApart(context, [...command, name], name, one);
    open.delete(name);
    context.progress?.did();
    return result;
  };
  try {
    return join(await Promise.all(Object.entries(examinations).map(examineNext)));
  } finally {
    stop();
  }
}

const tellEveryMs = 200;

/**
 * Tells which examinations have no answer yet. It tells this again and again, because nothing changes while
 * all of those that are left wait.
 * @returns a function that ends this
 */
function beginExaminations({ progress }: TestbedContext, open: ReadonlySet<string>): () => void {
  progress?.begin({
    get what() {
      return open.size > 3 ? 'examining' : `examining ${[...open].join(', ')}`;
    },
    item: 'examination',
    items: open.size,
  });
  const timer = setInterval(() => progress?.did(0), tellEveryMs);
  return () => clearInterval(timer);
}

/** Runs one examination in this process. */
export async function examineOne(
  context: TestbedContext,
  { examine }: Examination,
  request: DoctorRequest,
): Promise<Doctor> {
  const { findings, bases = [] } = await examine(context, request);
  return join([{ ok: true, findings, bases }]);
}

function join(parts: readonly Doctor[]): Doctor {
  const findings = parts.flatMap(part => part.findings);
  return {
    ok: !findings.some(({ status }) => status === 'broken'),
    findings,
    bases: parts.flatMap(({ bases }) => bases),
  };
}

async function examineApart(
  context: TestbedContext,
  argv: readonly string[],
  name: string,
  { waitMs }: Examination,
): Promise<Doctor> {
  const { host } = context;
  const began = host.clock();
  let reason: string;
  try {
    const { stdout, stderr } = await host.commands.output(argv, waitMs);
    if (stdout !== '' && stdout.length <= bounds.manifest.bytes) {
      const result = parseDocument<Doctor>('Doctor', stdout, name, 'IO');
      passOn(context, stderr);
      return result;
    }
    reason = stderr.trim().split('\n').at(-1) ?? '';
  } catch (error) {
    reason = reasonOf(error);
  }
  const isLate = host.clock() - began >= waitMs;
  const finding = isLate ? late(context, name, waitMs) : broken(name, `cannot be looked at: ${reason}`);
  return { ok: false, findings: [finding], bases: [] };
}

/**
 * Logs the warnings of an examination, for example of a record that cannot be read, or of a container that
 * goes on.
 */
function passOn({ log }: TestbedContext, stderr: string): void {
  const lines = stderr.split('\n').filter(text => text.trim() !== '');
  for (const text of lines.slice(0, mostWarnings)) log.warn(text.replace(/^ghostkeep: (warning: )?/, ''));
}

function late(context: TestbedContext, name: string, waitMs: number) {
  const says = `no answer after ${waitMs / 1000} s`;
  const [mount] = silentMounts(context);
  return mount === undefined
    ? broken(name, says)
    : broken(name, `${says}: the file server of ${mount} does not answer`, `umount --lazy ${quoted(mount)}`);
}
