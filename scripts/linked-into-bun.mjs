// build/ghostkeep contains Bun and the libraries that are linked into it. Bun's npm package has no licence files, so
// their licences are listed here as Bun's LICENSE.md names them, and Bun itself says which versions it has.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Name, licence (SPDX), where the sources are, and the name in process.versions where it has one. */
const libraries = [
  ['JavaScriptCore', 'LGPL-2.1-or-later AND BSD-2-Clause', 'https://github.com/oven-sh/WebKit', 'webkit'],
  ['tinycc', 'LGPL-2.1-or-later', 'https://github.com/TinyCC/tinycc', 'tinycc'],
  [
    'boringssl',
    'Apache-2.0 AND OpenSSL AND ISC AND MIT',
    'https://boringssl.googlesource.com/boringssl',
    'boringssl',
  ],
  ['brotli', 'MIT', 'https://github.com/google/brotli'],
  ['libarchive', 'BSD-2-Clause AND BSD-3-Clause', 'https://github.com/libarchive/libarchive', 'libarchive'],
  ['lol-html', 'BSD-3-Clause', 'https://github.com/cloudflare/lol-html', 'lolhtml'],
  ['ls-hpack', 'MIT', 'https://github.com/litespeedtech/ls-hpack', 'lshpack'],
  ['ls-qpack', 'MIT', 'https://github.com/litespeedtech/ls-qpack'],
  ['lsquic', 'MIT AND BSD-3-Clause', 'https://github.com/litespeedtech/lsquic'],
  ['mimalloc', 'MIT', 'https://github.com/microsoft/mimalloc', 'mimalloc'],
  ['picohttpparser', 'MIT', 'https://github.com/h2o/picohttpparser', 'picohttpparser'],
  ['zstd', 'BSD-3-Clause', 'https://github.com/facebook/zstd', 'zstd'],
  ['simdutf', 'Apache-2.0', 'https://github.com/simdutf/simdutf'],
  ['uSockets', 'Apache-2.0', 'https://github.com/uNetworking/uSockets', 'usockets'],
  ['uWebSockets', 'Apache-2.0', 'https://github.com/jarred-sumner/uwebsockets', 'uwebsockets'],
  ['zlib-ng', 'Zlib', 'https://github.com/zlib-ng/zlib-ng', 'zlib'],
  ['c-ares', 'MIT', 'https://github.com/c-ares/c-ares', 'ares'],
  ['icu', 'Unicode-3.0', 'https://github.com/unicode-org/icu', 'icu'],
  ['libbase64', 'BSD-2-Clause', 'https://github.com/aklomp/base64'],
  ['libdeflate', 'MIT', 'https://github.com/ebiggers/libdeflate', 'libdeflate'],
  ['libjpeg-turbo', 'BSD-3-Clause AND IJG AND Zlib', 'https://github.com/libjpeg-turbo/libjpeg-turbo'],
  ['libspng', 'BSD-2-Clause', 'https://github.com/randy408/libspng'],
  ['libwebp', 'BSD-3-Clause', 'https://github.com/webmproject/libwebp'],
  ['highway', 'Apache-2.0', 'https://github.com/google/highway'],
  ['uucode', 'MIT', 'https://github.com/jacobsandlund/uucode'],
];

/** @returns {{name: string, license: string, sources: string, version?: string}[]} Bun first */
export function linkedIntoBun(bun) {
  const answer = execFileSync(bun, ['-p', 'JSON.stringify(process.versions)'], { env: {}, encoding: 'utf8' });
  const versions = JSON.parse(answer);
  const parts = libraries.map(([name, license, sources, key]) => ({
    name,
    license,
    sources,
    version: versions[key],
  }));
  return [
    { name: 'bun', license: 'MIT', sources: 'https://github.com/oven-sh/bun', version: versions.bun },
    ...parts,
  ];
}

/**
 * The notices come from Debian's packages of the same libraries (scripts/licenses/bun), because Bun's npm package has
 * none.
 * @param linked of linkedIntoBun
 */
export function licencesOfBun(top, linked) {
  const lines = linked.map(
    ({ name, version, license, sources }) =>
      `${name}${version ? ` ${version}` : ''} (${license}): ${sources}`,
  );
  const text = name => readFileSync(path.join(top, 'scripts/licenses', `${name}.txt`), 'utf8').trim();
  const noticed = readdirSync(path.join(top, 'scripts/licenses/bun')).map(file => path.parse(file).name);
  const others = linked.map(({ name }) => name).filter(name => !noticed.includes(name));
  return `build/ghostkeep, where it is installed, contains Bun and the libraries that are linked into it:

${lines.join('\n')}

JavaScriptCore and tinycc are under the GNU Lesser General Public License, whose texts follow. It lets you change them and
use them changed in build/ghostkeep. Build such a Bun from its sources (LICENSE.md there says how), put it in the place of
node_modules/bun/bin/bun.exe in ghostkeep's sources, and run \`npm run build\`. All of ghostkeep's code is in those sources.

Behind these texts and the Apache License come the copyright notices of the libraries, as Debian's packages of them have
them. Debian's versions may be others than Bun's. What such a notice names below /usr/share/common-licenses and is not here
is at https://www.gnu.org/licenses or https://www.mozilla.org/MPL. The notices of ${others.join(', ')} are not in Debian, and
their projects have no npm package with them: they are in the sources, at the addresses above.

${['LGPL-2.1', 'LGPL-2.0', 'Apache-2.0', ...noticed.map(name => `bun/${name}`)].map(text).join('\n\n\n')}
`;
}
