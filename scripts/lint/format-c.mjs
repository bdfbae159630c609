// node scripts/lint/format-c.mjs [--write]: says where C does not follow .clang-format, or with --write
// formats it. The npm package clang-format has the program for some machines only. On others C is not checked,
// and CI=true forbids that.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const machine = `${process.platform}_${process.arch}`;
const program = path.join(top, 'node_modules/clang-format/bin', machine, 'clang-format');

process.exitCode = main(process.argv[2] === '--write');

function main(write) {
  if (!existsSync(program)) {
    console.error(`skipped: the npm package clang-format has no program for ${machine}, C is not checked`);
    return process.env['CI'] === 'true' ? 1 : 0;
  }
  const files = sources();
  const how = write ? ['-i'] : ['--dry-run', '--Werror'];
  const { status, stderr } = spawnSync(program, [...how, '--style=file', ...files], {
    cwd: top,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const wrong = new Set(stderr.match(/^[^\s:]+(?=:\d+:\d+: error)/gm));
  for (const file of wrong) console.error(`${file}: not formatted; npm run format does it`);
  if (status !== 0 && wrong.size === 0) console.error(stderr);
  return status === 0 ? 0 : 1;
}

/*
 * Lists the files that git would commit, so that nothing that is built or installed is checked. BLAKE3 stays as
 * its authors wrote it.
 */
function sources() {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.c', '*.h'];
  const names = execFileSync('git', args, { cwd: top, encoding: 'utf8' }).split('\0');
  return [...new Set(names)].filter(
    name => name !== '' && !name.startsWith('native/blake3/') && existsSync(path.join(top, name)),
  );
}
