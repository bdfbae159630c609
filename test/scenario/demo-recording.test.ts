import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { program, temporaryFolder } from './ghostkeep.js';

const top = path.dirname(path.dirname(program));

/** The texts, without what differs from run to run. */
function linesOf(file: string): string[] {
  const texts = [...readFileSync(file, 'utf8').matchAll(/<text [^>]*>([^<]*)<\/text>/g)];
  return texts.map(([, text = '']) =>
    text
      .replace(/ghostkeep-try-\w+/g, 'FOLDER')
      .replace(/\/\S*FOLDER/g, 'FOLDER')
      .replace(/ *\d+/g, ' N'),
  );
}

describe('the recording of the demo', () => {
  it('the recording of the demo shows what the demo prints today', t => {
    const fresh = `${temporaryFolder(t)}/demo.svg`;
    const { status, stderr } = spawnSync(process.execPath, [`${top}/scripts/record-demo.mjs`, fresh], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const lines = linesOf(fresh);
    assert.ok(lines.some(line => /equal: every byte/.test(line)));
    assert.deepEqual(linesOf(`${top}/docs/demo.svg`), lines, 'record it anew: node scripts/record-demo.mjs');
  });
});
