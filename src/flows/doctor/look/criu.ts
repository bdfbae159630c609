/** The CRIU that runtimes run: which version, for which machine, and where it looks for plugins. */
import { bounds } from '../../../base/bounds.js';
import type { StageContext } from '../../try-hooks/stage-context.js';
import { effectiveOptions } from './criu-options.js';
import { ask, findProgram, variable } from './programs.js';

export interface Criu {
  program: string;
  /** `4.1.1`; undefined where it does not say. */
  version?: string;
  /** e_machine of elf(5); undefined for a script. */
  machine?: number;
  /** The folder from which it loads plugins; undefined where it cannot be known. */
  plugins?: string;
}

/**
 * The gate needs the plugin hook CHECKPOINT_DEVICES, which came with CRIU 4.0 (criu/include/criu-plugin.h).
 */
export const oldestCriu = '4.0';

export async function findCriu(context: StageContext): Promise<Criu | undefined> {
  const program = findProgram(context, 'criu');
  if (program === undefined) return undefined;
  const { stdout } = await ask(context, [program, '--version']);
  const version = /^Version: (\d+\.\d+(?:\.\d+)?)/m.exec(stdout)?.[1];
  const { files } = context.host;
  const bytes = files.read(files.realPath(program), bounds.ownParts);
  const machine = machineOf(bytes);
  const plugins = pluginsOf(context, bytes);
  return {
    program,
    ...(version === undefined ? {} : { version }),
    ...(machine === undefined ? {} : { machine }),
    ...(plugins === undefined ? {} : { plugins }),
  };
}

export function isTooOld({ version }: Criu): boolean {
  return version === undefined || Number.parseInt(version, 10) < Number.parseInt(oldestCriu, 10);
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
function pluginsOf(context: StageContext, bytes: Buffer): string | undefined {
  const chosen = effectiveOptions(context).get('libdir')?.value ?? variable(context, 'CRIU_LIBS_DIR');
  const folder = chosen?.startsWith('/') ? chosen : compiledIn(bytes);
  return folder === undefined || folder === '/' ? undefined : folder.replace(/\/+$/, '');
}

/** `/usr/lib/criu/` on Debian, lib64 or another prefix elsewhere. */
function compiledIn(bytes: Buffer): string | undefined {
  const names = bytes.toString('latin1').match(/(?<=\0)\/[ -~]*\/lib[ -~]*\/criu\/?(?=\0)/g) ?? [];
  return names.sort((a, b) => Number(b.endsWith('/')) - Number(a.endsWith('/')))[0];
}
