// Writes two files from what esbuild used. dist/THIRD-PARTY-LICENSES.txt has the licence of every package that
// is bundled in dist/. dist/sbom.cdx.json (CycloneDX 1.6) lists everything that is shipped, for an audit of an
// installation.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { licencesOfBun, linkedIntoBun } from './linked-into-bun.mjs';

const { readElf } = createRequire(import.meta.url)('../install/elf.cjs');
/** The engine contains BLAKE3 (native/blake3/README.md). */
const blake3 = {
  name: 'blake3',
  version: '1.8.2',
  license: 'CC0-1.0',
  sources: 'https://github.com/BLAKE3-team/BLAKE3',
};
const licenceFile = /^(licen[cs]e|copying|notice)/i;

/**
 * @param metafile esbuild's
 * @returns {{name: string, version: string, license: string, folder: string, inputs: string[]}[]} sorted
 */
export function bundledPackages(top, metafile) {
  const found = new Map();
  const outputs = Object.values(metafile.outputs);
  for (const input of new Set(outputs.flatMap(({ inputs }) => Object.keys(inputs)))) {
    // The innermost folder counts, because a package may have its own version of another package.
    const [folder] = input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/) ?? [];
    if (folder === undefined) continue;
    if (!found.has(folder)) found.set(folder, { ...readPackage(top, folder), inputs: [] });
    found.get(folder).inputs.push(input);
  }
  return [...found.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** @param bun the Bun that is in build/ghostkeep; undefined where there is no such program */
export function writeListOfPackages(top, bundled, bun) {
  const linked = bun === undefined ? [] : linkedIntoBun(bun);
  writeFileSync(path.join(top, 'dist/THIRD-PARTY-LICENSES.txt'), licencesOf(top, bundled, linked));
  const { name, version, license } = readPackage(top, '.');
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', ...component({ name, version, license }) } },
    components: [
      ...bundled.map(one => ({ type: 'library', ...component(one, 'dist') })),
      ...besideTheBundle(top).map(one => ({ type: 'library', ...component(one, 'node_modules') })),
      ...linkedStatically(top),
      generic(blake3, 'build/libghostkeep.so'),
      ...linked.map(one => generic(one)),
    ],
  };
  writeFileSync(path.join(top, 'dist/sbom.cdx.json'), `${JSON.stringify(document, undefined, 2)}\n`);
}

const nameOf = ({ name, version }) => `${name} ${version}`;

function readPackage(top, folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(top, folder, 'package.json'), 'utf8'));
  if (!license) throw new Error(`${folder}/package.json names no license: it cannot be shipped`);
  return { name, version, license, folder };
}

/** koffi and its prebuilt library, which install.sh copies. */
function besideTheBundle(top) {
  const prebuilt = path.join(top, 'node_modules/@koromix');
  const names = existsSync(prebuilt)
    ? readdirSync(prebuilt).filter(name => name.startsWith('koffi-linux-'))
    : [];
  return ['koffi', ...names.map(name => `@koromix/${name}`)].map(name =>
    readPackage(top, `node_modules/${name}`),
  );
}

/* A static program contains a C library, with that library's faults. */
function linkedStatically(top) {
  const programs = ['ghostkeep-hook', 'ghost-workload'].filter(
    name => !readElf(path.join(top, 'build', name)).dynamic,
  );
  if (programs.length === 0) return [];
  const [name, version] = execFileSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' })
    .trim()
    .split(' ');
  return [
    {
      type: 'library',
      'bom-ref': `pkg:generic/${name}@${version}`,
      name,
      version,
      licenses: [{ expression: 'LGPL-2.1-or-later' }],
      cpe: `cpe:2.3:a:gnu:${name}:${version}:*:*:*:*:*:*:*`,
      purl: `pkg:generic/${name}@${version}`,
      properties: programs.map(program => ({ name: 'ghostkeep:in', value: `build/${program}` })),
    },
  ];
}

function generic({ name, version, license, sources }, where = 'build/ghostkeep') {
  const purl = `pkg:generic/${name}${version ? `@${version}` : ''}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    ...(version ? { version } : {}),
    licenses: [{ expression: license }],
    purl,
    externalReferences: [{ type: 'vcs', url: sources }],
    properties: [{ name: 'ghostkeep:in', value: where }],
  };
}

/** Source: https://cyclonedx.org/docs/1.6/json/ and package-url's type npm */
function component({ name, version, license }, place) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return {
    'bom-ref': purl,
    name,
    version,
    licenses: [{ expression: license }],
    purl,
    ...(place === undefined ? {} : { properties: [{ name: 'ghostkeep:in', value: `${place}/` }] }),
  };
}

function licencesOf(top, bundled, linked) {
  const parts = bundled.map(one => `${nameOf(one)} (${one.license})\n\n${licenceOf(top, one).trim()}\n`);
  const line = `\n${'-'.repeat(80)}\n\n`;
  return [
    "The programs in this folder contain these packages. ghostkeep's own licence is in ../LICENSE.\n",
    ...parts,
    `build/ghostkeep-hook and build/ghost-workload may be linked statically with the GNU C Library, Copyright (C) Free
Software Foundation, Inc. and others, LGPL-2.1-or-later, https://www.gnu.org/software/libc/. Their sources and Makefiles
are in native/, so that they can be linked with another version of it.
`,
    ...(linked.length > 0 ? [licencesOfBun(top, linked)] : []),
  ].join(line);
}

/**
 * Returns the text of a package's licence files. If it has none, it returns the copyright comments of its
 * sources and our copies of the licences that its package.json names.
 */
function licenceOf(top, { name, license, folder, inputs }) {
  const files = readdirSync(path.join(top, folder)).filter(file => licenceFile.test(file));
  if (files.length > 0)
    return files.map(file => readFileSync(path.join(top, folder, file), 'utf8')).join('\n');
  const said = new Set(inputs.map(input => copyrightIn(readFileSync(path.join(top, input), 'utf8'))));
  said.delete(undefined);
  if (said.size === 0)
    throw new Error(`${name} has neither a licence file nor a copyright line: it cannot be shipped`);
  const texts = license
    .match(/[\w.-]+/g)
    .map(id => path.join(top, 'scripts/licenses', `${id}.txt`))
    .filter(file => existsSync(file));
  return [...said, ...texts.map(file => readFileSync(file, 'utf8'))].join('\n\n');
}

/** The comment at the beginning of a source. */
function copyrightIn(source) {
  const [comment] = source.match(/^(?:\/\/.*\n)+|^\/\*[\s\S]*?\*\//) ?? [''];
  return /copyright/i.test(comment) ? comment.replace(/^\/\/ ?/gm, '').trim() : undefined;
}
