import type { Context } from '../context.js';

/**
 * Folders from which CRIU loads plugins where nothing names another: Debian's, Fedora's, and those of a CRIU
 * that was built by hand. Source: criu/Makefile.install (PLUGINDIR)
 */
const folders = ['/usr/lib/criu', '/usr/lib64/criu', '/usr/local/lib/criu', '/usr/local/lib64/criu'];

/**
 * Says whether the gate lies where a CRIU looks for plugins. CRIU is neither started nor read for this,
 * because a scan has to be quick. So `false` is no proof: a configuration file of CRIU may name another
 * folder.
 * @param named the folder in CRIU_LIBS_DIR
 */
export function isGateHere({ host }: Context, named: string | undefined): boolean {
  const all = named?.startsWith('/') ? [named, ...folders] : folders;
  return all.some(folder => host.files.exists(`${folder}/ghostkeep.so`));
}
