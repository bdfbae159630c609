/**
 * A finished source tree of its own, a root directory to install into, and programs that look like a criu.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));

export class InstallTree {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-install-'));
  /** DESTDIR */
  readonly root = path.join(this.folder, 'root');
  readonly tree = path.join(this.folder, 'tree');
  private readonly criu: string;

  constructor() {
    mkdirSync(path.join(this.tree, 'build'), { recursive: true });
    for (const name of ['dist', 'hooks', 'schemas', 'install', 'install.sh', 'package.json']) {
      cpSync(path.join(top, name), path.join(this.tree, name), { recursive: true });
    }
    for (const name of ['libghostkeep.so', 'ghostkeep.so', 'ghostkeep-hook', 'ghost-workload']) {
      cpSync(path.join(top, 'build', name), path.join(this.tree, 'build', name));
    }
    for (const name of ['native', 'node_modules'])
      symlinkSync(path.join(top, name), path.join(this.tree, name));
    this.criu = this.compileCriu(12);
  }

  /**
   * Make it a source tree: the real set-up, and a build that only copies src/main.ts to dist/built-from. The
   * build fails where there is a src/breaks.
   */
  addSources(): void {
    const at = (name: string) => path.join(this.tree, name);
    for (const name of [
      'scripts',
      'bench',
      'src/criu/generated',
      'src/base/documents/generated',
      'src/cli/page/generated',
    ])
      mkdirSync(at(name), { recursive: true });
    for (const name of ['setup', 'sources.mjs', 'is-current.mjs'])
      cpSync(path.join(top, 'scripts', name), at(`scripts/${name}`));
    const { name, version, license, type, files, bin, scripts } = JSON.parse(
      readFileSync(path.join(top, 'package.json'), 'utf8'),
    );
    const manifest = { name, version, license, type, files, bin, scripts };
    // The real tree may lie where another user cannot read it.
    rmSync(at('native'));
    cpSync(path.join(top, 'native'), at('native'), { recursive: true });
    // npm must not touch the packages of the real tree.
    rmSync(at('node_modules'));
    mkdirSync(at('node_modules'));
    for (const module of ['koffi', '@koromix'])
      symlinkSync(path.join(top, 'node_modules', module), at(`node_modules/${module}`));
    const contents: Record<string, string> = {
      'package.json': JSON.stringify(manifest),
      'package-lock.json': JSON.stringify({ packages: { '': manifest } }),
      'node_modules/.package-lock.json': JSON.stringify({ packages: {} }),
      'tsconfig.json': '{}',
      'src/main.ts': 'the first',
      'src/base/documents/generated/validators.js': '',
      'src/cli/page/generated/texts.ts': '',
      'scripts/build.mjs': `import { readFileSync, writeFileSync } from 'node:fs';
        import { readSources, removeStamp, writeStamp } from './sources.mjs';
        const sources = readSources('.');
        removeStamp('.');
        writeFileSync('dist/built-from', readFileSync('src/main.ts'));
        if (sources.has('src/breaks')) throw new Error('it breaks');
        writeStamp('.', sources);`,
    };
    for (const [file, content] of Object.entries(contents)) writeFileSync(at(file), content);
    execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: this.tree });
  }

  /**
   * @param environment overrides variables; an empty value removes one
   * @param before runs in the shell of a separate mount namespace, in which install.sh then runs; it needs
   * root
   */
  run(args: string[], environment: Record<string, string> = {}, { shell = 'bash', before = '' } = {}) {
    const command = [shell, path.join(this.tree, 'install.sh'), ...args];
    const apart = ['unshare', '-m', 'sh', '-ec', `${before}\nexec "$@"`, 'sh'];
    const [first = '', ...rest] = before === '' ? command : [...apart, ...command];
    const { status, stdout, stderr } = spawnSync(first, rest, {
      env: { PATH: process.env['PATH'], DESTDIR: this.root, CRIU: this.criu, ...environment },
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  }

  /** Where an installed file is. */
  at(file: string): string {
    return path.join(this.root, file);
  }

  /** Every file and directory below the root, with values that change when it is written again. */
  snapshot(): Record<string, string> {
    const found: Record<string, string> = {};
    if (!statSync(this.root, { throwIfNoEntry: false })) return found;
    for (const name of readdirSync(this.root, { recursive: true, encoding: 'utf8' })) {
      const { ino, mode, mtimeMs } = statSync(this.at(name));
      found[name] = `${ino} ${mode.toString(8)} ${mtimeMs}`;
    }
    return found;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * install.sh looks at the symbols and strings of a criu program. CRIU 4.0 has 12 hooks, and the version
   * before it has 11.
   */
  compileCriu(hooks: number): string {
    const source = path.join(this.folder, `criu-${hooks}.c`);
    const binary = path.join(this.folder, `criu-${hooks}`);
    writeFileSync(
      source,
      `char cr_plugin_ctl[${16 * (hooks + 1)}];
       void add_external(void) {} void criu_get_image_dir(void) {} void print_on_level(void) {}
       const char *other = "/etc/criu/default.conf", *directory = "/usr/lib/criu/";
       int main(void) { return other == directory; }`,
    );
    execFileSync('cc', ['-rdynamic', '-o', binary, source]);
    return binary;
  }
}
