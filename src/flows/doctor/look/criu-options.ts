/**
 * The options that CRIU finds in configuration files, and which of them are in force. Later files override
 * earlier ones. Source: criu(8), Configuration files; runc(8) and crun(1) for the last two.
 */
import { bounds } from '../../../base/bounds.js';
import { errnoOf, reasonOf } from '../../../base/errors.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';
import { variable } from './programs.js';

export interface OptionsFile {
  path: string;
  /** The programs that read it, for people. */
  readBy: string;
  /** CRIU_CONFIG_FILE names the file, so it should be there. */
  named: boolean;
  options: { name: string; value: string }[];
  /** Why it could not be read. */
  fault?: string;
  missing: boolean;
}

/**
 * All files that CRIU may read, in the order in which CRIU takes them, also those that are missing or cannot
 * be read.
 */
export function optionsFiles(context: TestbedContext): OptionsFile[] {
  const home = variable(context, 'HOME');
  const named = variable(context, 'CRIU_CONFIG_FILE');
  const read = (path: string, readBy: string) => readOptions(context, path, readBy);
  return [
    read('/etc/criu/default.conf', 'CRIU'),
    ...(home?.startsWith('/') ? [read(`${home}/.criu/default.conf`, 'CRIU')] : []),
    ...(named ? [readOptions(context, named, 'CRIU, by CRIU_CONFIG_FILE', { named: true })] : []),
    read('/etc/criu/runc.conf', 'CRIU under runc'),
    read('/etc/criu/crun.conf', 'CRIU under crun, from CRIU 4.2 on'),
  ];
}

/** Options in force when CRIU is started by hand, as it is by `ghostkeep doctor`. */
export function effectiveOptions(context: TestbedContext): Map<string, { value: string; path: string }> {
  const all = new Map<string, { value: string; path: string }>();
  for (const { path, readBy, options } of optionsFiles(context))
    if (!readBy.includes('under')) for (const { name, value } of options) all.set(name, { value, path });
  return all;
}

function readOptions(
  context: TestbedContext,
  path: string,
  readBy: string,
  { named } = { named: false },
): OptionsFile {
  const { files } = context.host;
  const empty = { path, readBy, named, options: [], missing: false };
  try {
    if (!files.exists(path)) return { ...empty, missing: true };
    const bytes = files.read(files.realPath(path), bounds.criuConfig);
    return { ...empty, options: parseOptions(bytes.toString('utf8')) };
  } catch (error) {
    return { ...empty, fault: errnoOf(error) === 'EISDIR' ? 'it is a directory' : reasonOf(error) };
  }
}

/** One option a line, its value behind a space or `=`; `#` begins a comment. */
export function parseOptions(text: string): { name: string; value: string }[] {
  return text.split('\n').flatMap(line => {
    const [, name, value = ''] = /^\s*(?:--)?([\w-]+)(?:[\s=]+(.*?))?\s*(?:#.*)?$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value: value.replace(/^"(.*)"$/, '$1') }];
  });
}
