// Writes the parts of README.md and docs/ that repeat what the code says: `node --import tsx
// scripts/docs.mjs`. Each part is between two comments, `<!-- made from SOURCE -->` and `<!-- end -->`. A unit
// test fails when a page is out of date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from '../src/cli/commands.ts';
import { costs, costsByKind } from './costs-tables.mjs';
import { enginesByCriu, filesystemsByCheck, nodeVersions } from './support-tables.mjs';
import { table } from './table.mjs';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const read = name => readFileSync(path.join(top, name), 'utf8');
const json = name => JSON.parse(read(name));

const parts = {
  'src/base/error-codes.json': errorCodes,
  'schemas/policy.schema.json': policyKeys,
  'src/cli/commands.ts': commandList,
  'bench/results': costs,
  'bench/results, by kind': costsByKind,
  'test/results/engines': enginesByCriu,
  'test/results/filesystems': filesystemsByCheck,
  'test/results/node.json': nodeVersions,
};

/** @returns every page that has such a part, as it should be: path below the top → text */
export function pages() {
  const names = ['README.md', ...readdirSync(path.join(top, 'docs')).map(name => `docs/${name}`)];
  return new Map(names.filter(name => name.endsWith('.md')).flatMap(madePage));
}

function madePage(name) {
  const text = read(name);
  const made = text.replace(
    /(<!-- made from ([^>]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin, source, end) => `${begin}\n${parts[source]()}\n\n${end}`,
  );
  return text.includes('<!-- made from ') ? [[name, made]] : [];
}

function errorCodes() {
  const rows = Object.entries(json('src/base/error-codes.json'));
  return table(
    ['code', 'it means', 'what to do'],
    rows.map(([code, { means, wayOut }]) => [`\`${code}\``, means, wayOut]),
  );
}

/* The default is at the end of a description: `… Default: 16M.` */
function policyKeys() {
  const { properties } = json('schemas/policy.schema.json');
  const rows = Object.entries(properties).map(([key, schema]) => {
    const [, text, standard] = /^([\s\S]*?)(?: Default: ([\s\S]*)\.)?$/.exec(schema.description);
    return [`\`${key}\``, valuesOf(schema), text, standard ?? ''];
  });
  return table(['key', 'value', 'meaning', 'default'], rows);
}

function valuesOf({ type, enum: values, $ref, items, minimum, maximum }) {
  if ($ref) return 'bytes: `4096`, `64M`, `2G`';
  if (type === 'integer') return `${minimum} to ${maximum}`;
  if (type === 'string') return 'text';
  if (values) return values.map(value => `\`${value}\``).join(', ');
  return type === 'boolean'
    ? '`true`, `false`'
    : `a list of ${items.enum.map(key => `\`${key}\``).join(', ')}`;
}

function commandList() {
  return Object.values(commands)
    .map(({ usage, summary, details, noJson, example }) =>
      [
        `### \`ghostkeep ${usage.replace(/\s+/g, ' ')}\``,
        `${capital(summary)}.`,
        details?.replaceAll('\n', ' '),
        noJson && `It has no \`--json\`: ${noJson}.`,
        example && `Example: \`${example}\``,
      ]
        .filter(Boolean)
        .join('\n\n'),
    )
    .join('\n\n');
}

const capital = text => text[0].toUpperCase() + text.slice(1);

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [name, text] of pages()) {
    if (read(name) === text) continue;
    writeFileSync(path.join(top, name), text);
    console.log(`written: ${name}`);
  }
