/**
 * The page of `show --html` for real checkpoints of which something is elsewhere, given up or missing. It must say so in
 * words. Its pictures are kept in build/page.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { encodeGhostHead } from '../../src/criu/ghost-file.js';
import { filesImage, regFile, remap, remapsImage } from '../unit/criu/images.js';
import { Browser, chromium } from './browser.js';
import { endOfCriu, Gate } from './gate.js';
import { command, ghostFile, ghostkeep, isRoot, needs, temporaryFolder, workload } from './ghostkeep.js';
import { dumpInto, nights } from './history-of-ghosts.js';

const pictures = fileURLToPath(new URL('../../build/page', import.meta.url));
const noBrowser = 'there is no Chromium (Debian: apt-get install chromium)';
const desk = { width: 1280, height: 900 };
const phone = { width: 390, height: 844, phone: true };

function done(...args: string[]): void {
  const { status, stdout, stderr } = ghostkeep(args, { waitMs: 120_000 });
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}${stdout}`);
}

/** Opens the page of IMAGES, with the details of the ghost whose path ends in NAME, and keeps pictures as NAMED. */
async function look(
  t: TestContext,
  browser: Browser,
  images: string,
  named: string,
  name = '',
): Promise<string> {
  const page = `${temporaryFolder(t)}/page.html`;
  done('show', images, '--html', page);
  fs.mkdirSync(pictures, { recursive: true });
  let text = '';
  for (const [suffix, view] of [
    ['', desk],
    ['-phone', phone],
  ] as const) {
    await browser.view(view);
    await browser.open(`file://${page}`);
    await browser.run(
      `[...document.querySelectorAll('.row')].find(row => row.querySelector('.path').textContent.endsWith(${JSON.stringify(name)})).click()`,
    );
    text = await browser.run<string>('document.body.innerText');
    const wide = await browser.run<number>('document.documentElement.scrollWidth');
    assert.ok(wide <= view.width, `${named}${suffix}: ${wide} pixels in ${view.width}`);
    await browser.screenshot(`${pictures}/${named}${suffix}.png`);
  }
  assert.deepEqual(browser.said, []);
  return text;
}

function assertSays(text: string, ...wanted: readonly (string | RegExp)[]): void {
  for (const each of wanted)
    assert.ok(typeof each === 'string' ? text.includes(each) : each.test(text), `${each} in ${text}`);
}

/** The kinds of parts that the bars of the page have, by their classes. */
const partsOfBars = (browser: Browser) =>
  browser.run<string[]>(
    `[...new Set([...document.querySelectorAll('.more .bar path')].map(each => each.getAttribute('class') ?? 'data'))].sort()`,
  );

describe('the page of a history', () => {
  it('the page of a packed checkpoint says what is packed, where the rest is, and how the checkpoint stands alone again', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const [first, second] = await nights(t, 2, 2 << 20);
    done('pack', second?.images as string, '--parent', first?.images as string);
    const browser = await Browser.start(t);
    const text = await look(t, browser, second?.images as string, 'packed');
    assertSays(
      text,
      'This dump needs ../night-0, where parts of 1 ghost lie.',
      'CRIU cannot restore it until ghostkeep materialize has made it stand alone again.',
      'It is packed: 64 KiB here, 1.9 MiB in ../night-0.',
      'packed\n1, parent ../night-0',
      'ghostkeep-layer-1.map, ghostkeep-layer-1.data',
      'data in the parent',
    );
    assert.deepEqual(await partsOfBars(browser), ['data', 'parent', 'track']);
    assertSays(await look(t, browser, first?.images as string, 'parent'), 'stands alone');
  });

  it('the page of a parent says what it gave up, to whom, and that it cannot be used any more', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const [first, second] = await nights(t, 2, 2 << 20);
    const newer = second?.images as string;
    done('pack', newer, '--parent', first?.images as string);
    done('dedup', newer, '--discard-older');
    const browser = await Browser.start(t);
    assertSays(
      await look(t, browser, first?.images as string, 'given-up'),
      `This dump cannot be used any more: 1 ghost gave up bytes to ${newer}. A restore is refused.`,
      `it gave up 64 KiB of its data to ${newer}: it cannot be restored from here.`,
      'gave up bytes\n1',
      'given up',
    );
    assert.deepEqual(await partsOfBars(browser), ['data', 'given', 'track']);
    const colours = await browser.run<string[]>(
      `[...document.querySelectorAll('.more .bar path:not(.track)')].map(each => getComputedStyle(each).fill)`,
    );
    assert.equal(new Set(colours).size, 2, 'what was given up has a colour of its own');
  });
});

describe('the page of a move', () => {
  it('the page of a moved dump says where the ghosts are, and the page at the receiver that nothing is missing', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'moved-away', Buffer.alloc(3 << 20, 7));
    const [here, there] = [`${folder}/here`, `${folder}/there`];
    const receive = [...command, 'receive', '-D', there].join(' ');
    done('dump', '--pid', String(process.pid), '-D', here, '--via', receive, '--allow-missing');
    const browser = await Browser.start(t);
    assertSays(
      await look(t, browser, here, 'moved', 'moved-away'),
      /^The content of \d+ ghosts? was sent to .*receive -D \S+ and is not here\.$/m,
      /^Its content was sent to .* and is not here\.$/m,
      'on another host',
    );
    const received = await look(t, browser, there, 'received', 'moved-away');
    assertSays(received, 'stands alone', /size in bytes\n3,145,728/);
    assert.ok(!received.includes('another host'), received);
  });
});

describe('the page of a dump that is not complete', () => {
  it('the page of a dump that is not complete lists what could not be dumped, and why', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const folder = temporaryFolder(t);
    // The processes of the workload share anonymous memory, because there is no file `page`. Only CRIU can
    // dump that memory.
    const child = spawn(workload, ['run', folder, 'shared', 'small'], { stdio: 'ignore', detached: true });
    t.after(() => process.kill(-(child.pid as number), 'SIGKILL'));
    for (let waits = 0; !fs.existsSync(`${folder}/ready`); waits += 1) {
      assert.ok(waits < 2000, 'the workload is not ready');
      await sleep(10);
    }
    const images = `${folder}/images`;
    done('dump', '--tree', String(child.pid), '--freeze', '-D', images, '--allow-missing');
    const browser = await Browser.start(t);
    assertSays(
      await look(t, browser, images, 'left-out'),
      'Not complete: the content of 1 file is not in it. The list is below.',
      'Not in it',
      '/dev/zero',
      'anonymous shared memory: memory of its processes, and no file',
    );
  });

  it('the page of a dump says which ghosts CRIU has copied itself', { timeout: 300_000 }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ours', 'x'.repeat(20_000));
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const answered = await gate.ask(`checkpoint ${process.pid}`);
    const keys = answered.filter(line => line.startsWith('external ')).map(line => line.slice(9));
    endOfCriu(images, ...keys);
    // A ghost that the gate has left to CRIU, as CRIU writes it.
    const entries = keys.map((name, index) => regFile({ id: index + 1, name, ext: true }));
    fs.writeFileSync(
      `${images}/files.img`,
      filesImage(...entries, regFile({ id: 90, name: '/var/lib/app/left-to-criu', mount: 5 })),
    );
    fs.writeFileSync(`${images}/remap-fpath.img`, remapsImage(remap(90, 90, 1)));
    const about = { uid: 1, gid: 2, mode: 0o100644, dev: 2049n, ino: 7n, atimeNs: 0n, mtimeNs: 0n };
    fs.writeFileSync(
      `${images}/ghost-file-5a.img`,
      Buffer.concat([encodeGhostHead({ ...about, size: 5n }), Buffer.from('hello')]),
    );
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    await gate.end();
    const browser = await Browser.start(t);
    const text = await look(t, browser, images, 'left-to-criu', 'left-to-criu');
    assertSays(text, 'stands alone', '/var/lib/app/left-to-criu', 'copied by CRIU', 'whole', 'id 0x5a');
  });

  it('the page of a dump says that the dump is damaged where an image is gone', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'one', 'x');
    const images = `${folder}/images`;
    await dumpInto(images);
    fs.rmSync(`${images}/ghost-file-1.img`);
    const browser = await Browser.start(t);
    assertSays(
      await look(t, browser, images, 'damaged', 'one'),
      'Damage: 1 ghost has no image that can be read.',
      'unreadable',
    );
  });
});

describe('the page on paper and on a phone', () => {
  it('the page on paper is dark on white, without controls, with every ghost', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const page = await pageOfMany(t, 250);
    const browser = await Browser.start(t);
    await browser.view({ ...desk, dark: true });
    await browser.open(`file://${page}`);
    assert.equal(await browser.run(`document.querySelectorAll('.ghost').length`), 100);
    await browser.print(`${pictures}/print.pdf`);
    assert.equal(await browser.run(`document.querySelectorAll('.ghost').length`), 250);
    // A sheet of A4 between its margins.
    await browser.view({ width: 718, height: 1000, dark: true, print: true });
    const seen = await browser.run<string[]>(
      `['#search', '.choices', '#more'].filter(each => document.querySelector(each).getClientRects().length > 0)`,
    );
    assert.deepEqual(seen, [], 'nobody can type on paper');
    assert.deepEqual(
      await browser.run(`(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))`),
      ['rgb(255, 255, 255)', 'rgb(0, 0, 0)'],
    );
    const wide = await browser.run<number>('document.documentElement.scrollWidth');
    assert.ok(wide <= 718, `${wide} pixels`);
    await browser.screenshot(`${pictures}/print.png`);
  });

  it('the page on a phone keeps only the search in view above the list that scrolls', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const page = await pageOfMany(t, 250);
    const browser = await Browser.start(t);
    await browser.view(phone);
    await browser.open(`file://${page}`);
    await browser.run(`window.scrollTo(0, 3000)`);
    await browser.until(`window.scrollY > 2000`);
    const place = (what: string) =>
      browser.run<{ top: number; bottom: number }>(
        `(({ top, bottom }) => ({ top, bottom }))(document.querySelector('${what}').getBoundingClientRect())`,
      );
    const [search, choices] = [await place('#search'), await place('.choices')];
    assert.ok(search.top >= 0 && search.bottom < 60, `the search is from ${search.top} to ${search.bottom}`);
    assert.ok(choices.bottom < 0, 'the rest scrolls away');
    await browser.screenshot(`${pictures}/phone-scrolled.png`);
  });
});

/** A page of COUNT ghosts, of one real ghost that is listed again and again. */
async function pageOfMany(t: TestContext, count: number): Promise<string> {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'one', Buffer.alloc(100_000, 1));
  const images = `${folder}/images`;
  await dumpInto(images);
  const file = path.join(images, 'ghostkeep-manifest.json');
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
  const [ghost] = manifest.ghosts;
  const ghosts = Array.from({ length: count }, (_, index) => ({
    ...ghost,
    id: index + 1,
    path: `/srv/cache/part-${index}`,
  }));
  fs.writeFileSync(file, JSON.stringify({ ...manifest, ghosts }));
  const page = `${folder}/page.html`;
  fs.mkdirSync(pictures, { recursive: true });
  done('show', images, '--html', page);
  return page;
}
