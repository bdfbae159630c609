import path from 'node:path';
import type { Doctor } from '../../base/documents/generated/doctor.js';
import { examineAll, examineOne } from '../../flows/doctor/examine-all.js';
import type { DoctorRequest } from '../../flows/doctor/look/finding.js';
import { examinations } from '../../flows/doctor/table.js';
import type { TestbedContext } from '../../flows/try-hooks/testbed-context.js';
import { oneOf, parse, required } from '../args.js';
import { printJson } from '../print/json.js';
import { showDoctor } from '../print/show-doctor.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';
import { inTestbed } from '../trial.js';

export async function doctorCommand(args: string[]): Promise<number> {
  const { values } = parse('doctor', args, {
    clean: { type: 'boolean', default: false },
    'images-dir': { type: 'string', short: 'D' },
    // `ghostkeep doctor` starts itself with it, once for each examination.
    examination: { type: 'string' },
    json: { type: 'boolean', default: false },
    ...verboseOption,
  });
  const images = values['images-dir'];
  if (images !== undefined) required('doctor', '-D', images);
  const request: DoctorRequest = {
    clean: values.clean,
    ...(images === undefined ? {} : { images: path.resolve(images) }),
  };
  const { examination } = values;
  const { log, progress } = contextWithProgress(values);
  const watched = { log, ...(progress === undefined ? {} : { progress }) };
  const result = await inTestbed({ keep: false }, context =>
    examination === undefined ? all({ ...context, ...watched }, request) : one(context, request, examination),
  );
  if (values.json) printJson(result);
  else process.stdout.write(showDoctor(result));
  return result.ok ? 0 : 1;
}

function all(context: TestbedContext, { clean, images }: DoctorRequest): Promise<Doctor> {
  const command = [
    ...context.testbed.ownCommand(),
    ...['doctor', '--json'],
    ...(clean ? ['--clean'] : []),
    ...(images === undefined ? [] : ['-D', images]),
    '--examination',
  ];
  return examineAll(context, command);
}

function one(context: TestbedContext, request: DoctorRequest, name: string): Promise<Doctor> {
  const chosen = examinations[oneOf('doctor', '--examination', name, Object.keys(examinations))];
  if (chosen === undefined) throw new Error(`there is no examination ${name}`);
  return examineOne(context, chosen, request);
}
