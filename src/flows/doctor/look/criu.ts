/** The CRIU that runtimes run: which version, for which machine, and where that CRIU looks for plugins. */
import os from 'node:os';
import { bounds } from '../../../base/bounds.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { effectiveOptions } from './criu-options.js';
import { ask, findFile, findProgram, variable } from './programs.js';

export interface Criu {
  program: string;
  /** `4.1.1`; undefined if CRIU does not say. */
  version?: string;
  /** The reason if it does not start. Then there is no version. */
  fault?: Fault;
  /** e_machine of elf(5); undefined for a script. */
  machine?: number;
  /** The folder from which CRIU loads plugins; undefined if that cannot be known. */
  plugins?: string;
}

export interface Fault {
  says: string;
  kind: 'mode' | 'machine' | 'library' | 'other';
  /** The name of the library that is missing: `libnl-3.so.200`. */
  library?: string;
}

/**
 * The gate needs the plugin hook CHECKPOINT_DEVICES, which came with CRIU 4.0 (criu/include/criu-plugin.h).
 */
export const oldestCriu = '4.0';

export async function findCriu(context: TestbedContext): Promise<Criu | undefined> {
  const program = findProgram(context, 'criu');
  if (program === undefined) {
    const file = findFile(context, 'criu');
    return file === undefined
      ? undefined
      : { program: file, fault: { kind: 'mode', says: 'it is not executable' } };
  }
  const { status, stdout, first } = await ask(context, [program, '--version']);
  const version = /^Version: (\d+\.\d+(?:\.\d+)?)/m.exec(stdout)?.[1];
  const { files } = context.host;
  const bytes = files.read(files.realPath(program), bounds.ownParts);
  const machine = machineOf(bytes);
  const plugins = pluginsOf(context, bytes);
  return {
    program,
    ...(version === undefined ? {} : { version }),
    ...(status === 0 ? {} : { fault: faultOf(first, machine) }),
    ...(machine === undefined ? {} : { machine }),
    ...(plugins === undefined ? {} : { plugins }),
  };
}

export function isTooOld({ version }: { version?: string }): boolean {
  return version === undefined || Number.parseInt(version, 10) < Number.parseInt(oldestCriu, 10);
}

/** e_machine by the kernel's name of the machine. Source: elf.h */
const machines: Record<string, number> = { x86_64: 62, aarch64: 183 };

/**
 * execvp(3) hands a file that is no program for this machine to a shell, and the shell's message does not
 * help. So we compare the kinds of machine first.
 * @param first what was said instead of a version
 */
function faultOf(first: string, machine: number | undefined): Fault {
  const own = machines[os.machine()];
  if (own !== undefined && machine !== undefined && machine !== own)
    return { kind: 'machine', says: `it is for another kind of machine than ${os.machine()}` };
  // Source: glibc, elf/dl-load.c
  const library = /error while loading shared libraries: ([^\s:]+): cannot open/.exec(first)?.[1];
  return { kind: library === undefined ? 'other' : 'library', says: first, ...(library ? { library } : {}) };
}

/** e_machine. Source: elf(5) @returns undefined where BYTES are no ELF file of 64 bits */
export function machineOf(bytes: Buffer): number | undefined {
  if (bytes.length < 20 || bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes[4] !== 2) return undefined;
  return bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
}

/**
 * CRIU takes `--libdir` first, which may stand in a configuration file, then CRIU_LIBS_DIR, then the folder
 * that was compiled in. Source: criu/plugin.c (cr_plugin_init), criu/config.c.
 */
function pluginsOf(context: TestbedContext, bytes: Buffer): string | undefined {
  const chosen = effectiveOptions(context).get('libdir')?.value ?? variable(context, 'CRIU_LIBS_DIR');
  const folder = chosen?.startsWith('/') ? chosen : compiledIn(bytes);
  return folder === undefined || folder === '/' ? undefined : folder.replace(/\/+$/, '');
}

/** The folder that was compiled into CRIU: `/usr/lib/criu/` on Debian, lib64 or another prefix elsewhere. */
function compiledIn(bytes: Buffer): string | undefined {
  const names = bytes.toString('latin1').match(/(?<=\0)\/[ -~]*\/lib[ -~]*\/criu\/?(?=\0)/g) ?? [];
  return names.sort((a, b) => Number(b.endsWith('/')) - Number(a.endsWith('/')))[0];
}
