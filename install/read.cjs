// Reads ELF and JSON for the shell scripts. A call does one job. When it fails, it prints a line to stderr and
// its exit status is 1.
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { readElf, readMachine } = require('./elf.cjs');

const jobs = {
  /** Prints the number of plugin hooks, the machine and the plugin directory of a criu. */
  criu(file) {
    const { data, symbols } = readElf(file);
    console.log(hooksOf(symbols), readMachine(file), pluginDirectory(data));
  },

  /* Prints `same` if the gate FILE starts the program HELPER, else `other`. */
  gate(file, helper) {
    console.log(fs.readFileSync(file).includes(`\0${helper}\0`) ? 'same' : 'other');
  },

  machine(file) {
    console.log(readMachine(file));
  },

  /** Prints the folder whose node_modules/ has the koffi that a program in FOLDER/dist loads. */
  'above-koffi'(folder) {
    console.log(path.resolve(createRequire(`${folder}/dist/`).resolve('koffi'), '../../..'));
  },

  /* Fails unless the program can read FILE as a document of KIND (src/cli/check-document.ts). */
  async json(kind, file) {
    const { checkDocument } = await import('../dist/check-document.mjs');
    checkDocument[kind](fs.readFileSync(file, 'utf8'), file);
  },

  /* Loads the library below an installed program's folder, as the program does. */
  library(folder) {
    const koffi = createRequire(`${folder}/dist/`)('koffi');
    koffi.load(`${folder}/build/libghostkeep.so`).func('uint32_t gk_abi()')();
  },
};

const [job, ...args] = process.argv.slice(2);
run().catch(error => {
  const [file, { message }] = [args.at(-1), error];
  console.error(message.includes(file) ? message : `${file}: ${message}`);
  process.exitCode = 1;
});

async function run() {
  await jobs[job](...args);
}

/*
 * Finds criu's default plugin directory, which is compiled in: `/usr/lib/criu/` on Debian, lib64 or another
 * prefix elsewhere.
 */
function pluginDirectory(data) {
  const names = data.toString('latin1').match(/(?<=\0)\/[ -~]*\/lib[ -~]*\/criu\/?(?=\0)/g) ?? [];
  const [name = ''] = names.sort((a, b) => Number(b.endsWith('/')) - Number(a.endsWith('/')));
  return name.replace(/\/$/, '');
}

/**
 * @returns how many plugin hooks a criu has, from the size of cr_plugin_ctl: 16 bytes, and 16 more for each
 * hook; 0 when that cannot be told, or a function that the gate needs is missing. The gate finds this out in
 * the same way in the CRIU that loads it.
 */
function hooksOf(symbols) {
  const size = symbols.get('cr_plugin_ctl') ?? 0;
  const needed = ['add_external', 'criu_get_image_dir', 'print_on_level'];
  const known = size % 16 === 0 && size >= 32 && size <= 65 * 16;
  return known && needed.every(name => symbols.has(name)) ? size / 16 - 1 : 0;
}
