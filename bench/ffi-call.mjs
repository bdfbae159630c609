// Measures one call into C through koffi: the figure of docs/decisions/0001-koffi.md. `npm run build` first.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const rounds = 1_000_000;
const loading = performance.now();
const koffi = createRequire(import.meta.url)('koffi');
const library = koffi.load(fileURLToPath(new URL('../build/libghostkeep.so', import.meta.url)));
const abi = library.func('uint32_t gk_abi()');
console.log(`loading koffi and the library: ${(performance.now() - loading).toFixed(1)} ms`);

for (let round = 0; round < rounds / 10; round += 1) abi();
const started = performance.now();
for (let round = 0; round < rounds; round += 1) abi();
console.log(`one call: ${(((performance.now() - started) * 1e6) / rounds).toFixed(0)} ns`);
