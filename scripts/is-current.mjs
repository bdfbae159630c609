// node scripts/is-current.mjs packages|build: ends with 0 if the installed packages, or the build, are up to
// date with this tree. Otherwise it prints the reason and ends with 1. It writes nothing.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyBuildIsOld } from './sources.mjs';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const questions = { packages: whyPackagesAreOld, build: () => whyBuildIsOld(top) };
const why = questions[process.argv[2]]();
if (why !== undefined) {
  console.log(why);
  process.exitCode = 1;
}

/** When npm has finished, it writes the entries of package-lock.json that it installed: node_modules/.package-lock.json. */
function whyPackagesAreOld() {
  const installed = path.join(top, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return 'there is no node_modules/.package-lock.json';
  const [wanted, found] = [path.join(top, 'package-lock.json'), installed].map(packagesOf);
  for (const [name, entry] of Object.entries(wanted)) {
    if (found[name] === undefined && entry.optional) continue; // The package is for another kind of machine.
    if (found[name]?.version !== entry.version || found[name].integrity !== entry.integrity)
      return `${name} is not the one in package-lock.json`;
  }
  const extra = Object.keys(found).find(name => wanted[name] === undefined);
  return extra === undefined ? undefined : `${extra} is not in package-lock.json`;
}

function packagesOf(file) {
  const { '': root, ...packages } = JSON.parse(readFileSync(file, 'utf8')).packages;
  return packages;
}
