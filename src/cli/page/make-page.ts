/**
 * One HTML page that needs nothing else. The policy at its head forbids it to load or send anything, and
 * lets only the style and the program run whose digests it names. Source: w3.org/TR/CSP3
 */
import { createHash } from 'node:crypto';
import type { PageData } from '../../flows/look/page-data.js';
import { program, style } from './generated/texts.js';

export function makePage(data: PageData): string {
  const policy = [
    "default-src 'none'",
    `script-src '${digest(program)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    '<title>Ghosts of a checkpoint</title>',
    `<style>${style}</style>`,
    '<main><noscript>This page needs JavaScript to show its list. It loads nothing.</noscript></main>',
    `<script type="application/json" id="data">${embed(data)}</script>`,
    `<script>${program}</script>`,
    '</html>',
    '',
  ].join('\n');
}

/**
 * JSON inside a script element ends only at `</script`, and `<!--` changes how it is read. Source: html.spec,
 * 4.12.1.3
 */
function embed(data: PageData): string {
  const escapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };
  return JSON.stringify(data).replaceAll(/[<>&\u2028\u2029]/g, each => escapes[each] ?? '\\u2028');
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
