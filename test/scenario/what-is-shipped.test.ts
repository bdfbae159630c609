import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import esbuild from 'esbuild';
import { temporaryFolder } from './ghostkeep.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string) => fs.readFileSync(path.join(top, file), 'utf8');

interface Package {
  name: string;
  version: string;
  license: string;
  folder: string;
}

/** This module is written in JavaScript, because the build uses it before it can run anything else. */
const { bundledPackages, writeListOfPackages } = await import(
  pathToFileURL(path.join(top, 'scripts/packages.mjs')).href
);

describe('the bundle of packages in dist', () => {
  let inputs: string[];
  before(async () => {
    const { metafile } = await esbuild.build({
      absWorkingDir: top,
      entryPoints: ['src/cli/main.ts', 'src/cli/check-document.ts', 'bench/main.ts'],
      outdir: 'dist',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      external: ['koffi'],
      metafile: true,
      write: false,
    });
    inputs = Object.keys(metafile.inputs).filter(input => input.includes('node_modules/'));
  });

  /** By Node's rule: the package of a module is the next package.json with a name above it. */
  const packageOf = (input: string): Package => {
    let folder = path.dirname(input);
    const nameIn = (file: string) => fs.existsSync(path.join(top, file)) && JSON.parse(read(file)).name;
    while (!nameIn(`${folder}/package.json`)) folder = path.dirname(folder);
    return { ...JSON.parse(read(`${folder}/package.json`)), folder };
  };
  const packages = () => [...new Map(inputs.map(packageOf).map(one => [one.folder, one])).values()];
  const components = (): { purl: string; licenses: { expression: string }[] }[] =>
    JSON.parse(read('dist/sbom.cdx.json')).components;

  it('dist/sbom.cdx.json lists every bundled package, and no other', () => {
    assert.ok(packages().length > 10, 'esbuild names them');
    const purls = packages().map(({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`);
    const listed = components().map(({ purl }) => purl);
    const outside = listed.filter(purl => /koffi|pkg:generic/.test(purl));
    assert.deepEqual(listed.toSorted(), [...purls, ...outside].sort());
    assert.ok(outside.some(purl => purl.startsWith('pkg:npm/koffi@')));
    assert.ok(components().every(({ licenses }) => licenses[0]?.expression));
  });

  it('the bundled packages are among those that `npm audit --omit=dev` looks at', () => {
    const lock = JSON.parse(read('package-lock.json')).packages;
    for (const { folder, version } of [...packages(), packageOf('node_modules/koffi/index.cjs')]) {
      assert.equal(lock[folder]?.version, version, folder);
      assert.ok(!lock[folder].dev && !lock[folder].devOptional, `${folder} is a dev dependency`);
    }
  });

  it('the file of licences has the copyright lines of all bundled packages', () => {
    const text = read('dist/THIRD-PARTY-LICENSES.txt');
    for (const { name, version, license, folder } of packages()) {
      assert.ok(text.includes(`\n${name} ${version} (${license})\n`), name);
      for (const file of fs.readdirSync(path.join(top, folder)).filter(name => /^licen[cs]e/i.test(name)))
        assert.ok(text.includes(read(`${folder}/${file}`).trim()), `${folder}/${file}`);
    }
    // These parts are linked into the executable.
    if (fs.existsSync(path.join(top, 'build/ghostkeep'))) {
      for (const part of [
        /^bun \d.* \(MIT\)/m,
        /^JavaScriptCore [0-9a-f]{40} \(LGPL/m,
        /^tinycc [0-9a-f]{40} \(LGPL/m,
      ])
        assert.match(text, part);
      assert.match(text, /GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1/);
      const inIt = components().map(({ purl }) => purl);
      assert.ok(inIt.some(purl => /^pkg:generic\/JavaScriptCore@[0-9a-f]{40}$/.test(purl)));
    }
    // @bufbuild/protobuf comes without a licence file: its sources name the authors, and its licence asks for a
    // copy of itself.
    for (const line of [
      /Copyright .*Buf Technologies/,
      /Copyright 2008 Google/,
      /Apache License\s+Version 2\.0/,
    ])
      assert.match(text, line);
  });

  describe('when the packages are odd', () => {
    const tree = (folder: string, files: Record<string, string | object>) => {
      for (const [name, content] of Object.entries(files)) {
        const file = path.join(folder, name);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
      }
    };
    const metafile = (...names: string[]) => ({
      outputs: { 'dist/a.mjs': { inputs: Object.fromEntries(names.map(name => [name, {}])) } },
    });

    it('when two versions of one package are bundled, both are listed', t => {
      const folder = temporaryFolder(t);
      const outer = { name: '@a/x', version: '1.0.0', license: 'MIT' };
      tree(folder, {
        'node_modules/@a/x/package.json': outer,
        'node_modules/b/node_modules/@a/x/package.json': { ...outer, version: '2.0.0' },
      });
      const found: Package[] = bundledPackages(
        folder,
        metafile('src/main.ts', 'node_modules/@a/x/1.js', 'node_modules/b/node_modules/@a/x/lib/2.js'),
      );
      assert.deepEqual(
        found.map(({ name, version }) => `${name} ${version}`),
        ['@a/x 1.0.0', '@a/x 2.0.0'],
      );
    });

    it('when the licence of a bundled package is not known, the build fails', t => {
      const folder = temporaryFolder(t);
      tree(folder, {
        'package.json': { name: 'it', version: '1.0.0', license: 'MIT' },
        'dist/a.mjs': '',
        'node_modules/no-license/package.json': { name: 'no-license', version: '1.0.0' },
        'node_modules/no-text/package.json': { name: 'no-text', version: '1.0.0', license: 'MIT' },
        'node_modules/no-text/main.js': '// Nobody says who wrote it.\n',
      });
      assert.throws(
        () => bundledPackages(folder, metafile('node_modules/no-license/main.js')),
        /no-license\/package\.json names no license/,
      );
      const found = bundledPackages(folder, metafile('node_modules/no-text/main.js'));
      assert.throws(() => writeListOfPackages(folder, found), /no-text has neither a licence file/);
    });
  });
});
