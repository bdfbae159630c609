// Builds everything into dist/ and build/: types and validators from schemas/, CRIU's messages from
// src/criu/images.proto, the bundle, and the native parts. `node scripts/build.mjs generate` stops after the
// generated code. `node scripts/build.mjs executable FOLDER ARCH` only makes FOLDER/build/ghostkeep for another machine,
// of the packages in FOLDER/node_modules.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';
import esbuild from 'esbuild';
import { compileFromFile } from 'json-schema-to-typescript';
import { makeExecutable } from './executable.mjs';
import { bundledPackages, writeListOfPackages } from './packages.mjs';
import { buildIdOf, changedSources, readSources, readStamp, removeStamp, writeStamp } from './sources.mjs';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const inTop = (...parts) => path.join(top, ...parts);

const [job, folder, arch] = process.argv.slice(2);
if (job === 'generate') await generate();
else if (job === 'executable') makeExecutable(top, constants(buildIdOf(readSources(top))), folder, arch);
else await build();

async function build() {
  assertCompiles();
  const [before, sources] = [readStamp(top), readSources(top)];
  removeStamp(top);
  await generate();
  const define = constants(buildIdOf(sources));
  const packages = await bundle(define);
  writeFileSync(inTop('native/gate/build-id'), `${buildIdOf(sources)}\n`);
  makeNative(before === undefined ? [] : changedSources(before, sources));
  const bun = makeExecutable(top, define);
  if (bun === undefined)
    console.error(`build: npm has no Bun for ${process.arch}, so there is no build/ghostkeep`);
  writeListOfPackages(top, packages, bun);
  writeStamp(top, sources);
}

async function generate() {
  await generateDocuments();
  generateMessages();
  await generatePage();
}

/** schemas/NAME.schema.json becomes documents/generated/NAME.ts (types); all validators go into one module. */
async function generateDocuments() {
  const generated = inTop('src/base/documents/generated');
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated, { recursive: true });

  const ajv = new Ajv({
    code: { source: true, esm: true },
    allErrors: true,
    verbose: true,
    validateFormats: false,
    allowUnionTypes: true,
  });
  const exported = {};
  for (const file of readdirSync(inTop('schemas'))) {
    const schema = JSON.parse(readFileSync(inTop('schemas', file), 'utf8'));
    ajv.addSchema(schema);
    exported[schema.title] = schema.$id;
    const types = await compileFromFile(inTop('schemas', file), {
      cwd: inTop('schemas'),
      bannerComment: `/* Generated from schemas/${file} by scripts/build.mjs. */`,
      additionalProperties: false,
      strictIndexSignatures: true,
      style: { singleQuote: true },
    });
    writeFileSync(path.join(generated, file.replace('.schema.json', '.ts')), types);
  }
  // Ajv writes require() even into ES modules, but the sources must also run unbundled, in tests. Ajv also
  // keeps every error, of which a hostile document has millions, and only 20 are shown.
  const code = standaloneCode(ajv, exported)
    .replaceAll(
      /const (\w+) = require\("([^"]+)"\)\.default;/g,
      'import $1Module from "$2.js";const $1 = $1Module.default;',
    )
    .replaceAll(/vErrors\.push\((\w+)\);/g, 'if(vErrors.length < 20) vErrors.push($1);')
    .replaceAll(/vErrors\.concat\((\w+\.errors)\)/g, '(vErrors.length < 20 ? vErrors.concat($1) : vErrors)')
    .replaceAll(/vErrors\.length = (\w+);/g, 'vErrors.length = Math.min(vErrors.length, $1);')
    .replaceAll(/errors = vErrors\.length;/g, 'errors += 1;');
  writeFileSync(path.join(generated, 'validators.js'), code);
  const declarations = Object.keys(exported).map(title => `export const ${title}: Validator;`);
  writeFileSync(
    path.join(generated, 'validators.d.ts'),
    [
      'export interface ValidationError { instancePath: string; message?: string; keyword: string; params: Record<string, unknown>; data?: unknown; parentSchema?: Record<string, unknown> }',
      'interface Validator { (data: unknown): boolean; errors?: ValidationError[] | null }',
      ...declarations,
      '',
    ].join('\n'),
  );
}

function generateMessages() {
  const template = JSON.stringify({
    version: 'v2',
    plugins: [
      {
        local: inTop('node_modules/.bin/protoc-gen-es'),
        out: inTop('src/criu/generated'),
        opt: ['target=ts'],
      },
    ],
  });
  run(inTop('node_modules/.bin/buf'), ['generate', inTop('src/criu'), '--template', template]);
}

/** Style and program of the page of `show --html` become texts, because both bundlers take those alike. */
async function generatePage() {
  const folder = inTop('src/cli/page');
  const texts = await Promise.all(
    [
      ['style', 'page.css'],
      ['program', 'page.js'],
    ].map(async ([name, file]) => {
      const entryPoints = [path.join(folder, file)];
      const [made] = (
        await esbuild.build({ entryPoints, bundle: true, minify: true, charset: 'ascii', write: false })
      ).outputFiles;
      return `export const ${name} = ${JSON.stringify(made.text.trim())};\n`;
    }),
  );
  mkdirSync(path.join(folder, 'generated'), { recursive: true });
  writeFileSync(path.join(folder, 'generated/texts.ts'), texts.join(''));
}

/** The bundlers replace these names in src/cli/version.ts. */
function constants(buildId) {
  const { version } = JSON.parse(readFileSync(inTop('package.json'), 'utf8'));
  return { GHOSTKEEP_VERSION: JSON.stringify(version), GHOSTKEEP_BUILD: JSON.stringify(buildId) };
}

/**
 * Bundles one file and its lazily loaded chunks. koffi stays outside, because it finds its prebuilt library
 * beside itself.
 * @returns the packages that are in the bundle
 */
async function bundle(define) {
  rmSync(inTop('dist'), { recursive: true, force: true });
  const { metafile } = await esbuild.build({
    entryPoints: {
      ghostkeep: inTop('src/cli/main.ts'),
      'check-document': inTop('src/cli/check-document.ts'),
      bench: inTop('bench/main.ts'),
    },
    outdir: inTop('dist'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    metafile: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minifySyntax: true,
    minifyWhitespace: true,
    external: ['koffi'],
    define,
    banner: {
      js: "import { createRequire as ghostkeepRequire } from 'node:module';\nconst require = ghostkeepRequire(import.meta.url);",
    },
  });
  return bundledPackages(top, metafile);
}

/**
 * make compares times, and does not notice that a file is gone. So when anything has changed since the last
 * build, it makes everything.
 */
function makeNative(changed) {
  const all = changed.some(name => name.startsWith('native/')) ? ['--always-make'] : [];
  run('make', ['-s', ...all, '-C', inTop('native'), `BUILD=${inTop('build')}`]);
}

function assertCompiles() {
  const { status, stdout } = spawnSync('sh', [inTop('native/can-compile')], { encoding: 'utf8' });
  if (status !== 0) fail(stdout.trim());
}

/** A command that fails has printed the reason to stderr. A stack trace of ours would hide it. */
function run(file, args) {
  const { status, error } = spawnSync(file, args, { cwd: top, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) fail(`${path.basename(file)} failed${error === undefined ? '' : `: ${error.message}`}`);
}

function fail(why) {
  console.error(`build: ${why}`);
  process.exit(1);
}
