/** A host in memory for examinations, with programs that answer. */
import type { TestbedContext } from '../../../../src/flows/try-hooks/testbed-context.js';
import { type FakeContext, fakeContext } from '../../fake-host.js';

export interface DoctorHost {
  context: TestbedContext;
  fake: FakeContext;
}

/** @param programs path or name → what it prints to `--version` or `features`, or how it fails */
export function hostWith(
  files: Record<string, string>,
  programs: Record<string, string | { status: number; stderr: string }> = {},
  environment: Record<string, string> = {},
): DoctorHost {
  const fake = fakeContext();
  for (const [path, content] of Object.entries(files)) fake.host.files.put(path, content);
  fake.host.processes.add(999, { parent: 1, commandLine: ['node'], environment });
  fake.host.commands.output = async ([program = '']) => {
    const answer = programs[program] ?? '';
    return typeof answer === 'string' ? { status: 0, stdout: answer, stderr: '' } : { stdout: '', ...answer };
  };
  const testbed = {
    isExecutable: (file: string) => Object.hasOwn(programs, file),
    findBeside: (...parts: string[]) =>
      parts.join('/') === 'package.json' ? '/usr/local/lib/ghostkeep/package.json' : undefined,
    ownCommand: () => ['/usr/local/lib/ghostkeep/build/ghostkeep'],
  };
  return { fake, context: { ...fake, testbed } as unknown as TestbedContext };
}
