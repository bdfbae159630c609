/** The page of `show --html`, in a real browser. Its pictures are kept in build/page. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Manifest, ManifestGhost } from '../../src/base/documents/generated/manifest.js';
import { Browser, chromium } from './browser.js';
import { ghostFile, ghostkeep, needs, temporaryFolder } from './ghostkeep.js';

const pictures = fileURLToPath(new URL('../../build/page', import.meta.url));
const noBrowser = 'there is no Chromium (Debian: apt-get install chromium)';

/** A server that counts what is asked of it. */
async function serve(t: TestContext, files: Record<string, string>) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    const file = files[request.url ?? ''];
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(file === undefined ? '' : fs.readFileSync(file));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function dumpOf(folder: string): string {
  const images = `${folder}/images`;
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--digest', '--allow-missing']);
  assert.equal(dump.status, 0, dump.stderr);
  return images;
}

function rewrite(images: string, change: (manifest: Manifest) => Manifest): void {
  const file = `${images}/ghostkeep-manifest.json`;
  fs.writeFileSync(file, JSON.stringify(change(JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest)));
}

function makePage(images: string, file: string): void {
  const made = ghostkeep(['show', images, '--html', file], { waitMs: 120_000 });
  assert.equal(made.status, 0, made.stderr);
}

const rows = `[...document.querySelectorAll('.ghost')].length`;
const firstPath = `document.querySelector('.ghost .path')?.textContent`;
const set = (id: string, value: string, event: string) =>
  `(e => { e.value = ${JSON.stringify(value)}; e.dispatchEvent(new Event('${event}')); })(document.getElementById('${id}'))`;

/** A dump as containers leave them: databases, logs, sparse files, semaphores; and things that went wrong. */
function aDumpToLookAt(t: TestContext): string {
  const folder = temporaryFolder(t);
  const block = Buffer.alloc(64 << 10, 7);
  const sparse = ghostFile(t, folder, 'wal.tmp', block);
  for (let at = 0; at < 96; at += 1)
    fs.writeSync(sparse, block, 0, block.length, at * (((at * 7) % 5) + 1) * 90_000);
  fs.ftruncateSync(sparse, 96 << 20);
  const half = ghostFile(t, folder, 'base.sort.4711', '');
  fs.writeSync(half, Buffer.alloc(6 << 20, 1), 0, 6 << 20, 2 << 20);
  fs.ftruncateSync(half, 24 << 20);
  ghostFile(t, folder, 'access.log', 'GET / 200\n'.repeat(150_000));
  ghostFile(t, folder, 'empty', '');
  ghostFile(t, folder, 'lock', 'x');
  const images = dumpOf(folder);
  const place: Record<string, string> = {
    'wal.tmp': '/var/lib/postgresql/16/main/pg_wal/xlogtemp.4711',
    'base.sort.4711': '/var/lib/postgresql/16/main/base/pgsql_tmp/pgsql_tmp4711.0',
    'access.log': '/var/log/nginx/access.log',
    empty: '/dev/shm/sem.mp-3kq2d8',
    lock: '/run/app/worker.lock',
  };
  rewrite(images, manifest => ({
    ...manifest,
    container: 'web-7c9f',
    ghosts: manifest.ghosts.map(ghost => ({
      ...ghost,
      path: place[path.basename(ghost.path)] ?? ghost.path,
    })),
    leftOut: [
      {
        pid: 4711,
        what: 'fd 9',
        why: 'it is anonymous shared memory, which only CRIU can dump',
        path: '/memfd:jit',
      },
    ],
  }));
  // The bytes say: freezing 3.2 ms, frozen 48.1 ms, memory 21.9 and 9.4 ms. Source: CRIU images/stats.proto
  const times = Buffer.from('0a0f0880191084f70218 8cab01 20b849'.replaceAll(' ', ''), 'hex');
  times[1] = times.length - 2;
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0x55105940, 0);
  head.writeUInt32LE(0x57093306, 4);
  head.writeUInt32LE(times.length, 8);
  fs.writeFileSync(`${images}/stats-dump`, Buffer.concat([head, times]));
  fs.writeFileSync(
    `${images}/ghostkeep.log`,
    `${JSON.stringify({ level: 'warn', message: 'not in the dump: fd 9 of process 4711 (/memfd:jit)', timestamp: '2026-11-30T21:49:00.033Z' })}\n`,
  );
  return images;
}

describe('the page of show --html', () => {
  it('the page of show --html has the ghosts, what was left out and the times on a desk, a phone and in the dark, and logs nothing', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const images = aDumpToLookAt(t);
    const page = `${temporaryFolder(t)}/page.html`;
    makePage(images, page);
    const browser = await Browser.start(t);
    fs.mkdirSync(pictures, { recursive: true });
    const views = {
      desktop: { width: 1280, height: 900 },
      phone: { width: 390, height: 844, phone: true },
      dark: { width: 1280, height: 900, dark: true },
    };
    for (const [name, view] of Object.entries(views)) {
      await browser.view(view);
      await browser.open(`file://${page}`);
      const text = await browser.run<string>('document.body.innerText');
      for (const each of [
        'Dump of container web-7c9f',
        '/var/log/nginx/access.log',
        'This page lists ghosts, not memory',
        `held by process ${process.pid}, fd `,
        'frozen\n48 ms',
        'of that for memory\n31 ms',
        'time to freeze all\n3.2 ms',
        'stands alone',
        'Not complete: the content of 1 file is not in it.',
        'Not in it',
        '/memfd:jit',
        'What ghostkeep said',
      ])
        assert.ok(text.includes(each), `${each} in ${text}`);
      await browser.run(`document.querySelectorAll('.row')[0].click()`);
      assert.match(await browser.run<string>('document.body.innerText'), /ranges of data\n\d+/);
      const wide = await browser.run<number>('document.documentElement.scrollWidth');
      assert.ok(wide <= view.width, `${name}: ${wide} pixels in ${view.width}`);
      await browser.screenshot(`${pictures}/${name}.png`);
    }
    assert.deepEqual(browser.said, []);
    assert.deepEqual(new Set(browser.requests), new Set([`file://${page}`]));
  });

  it('the page of show --html shows a name with markup as text, and asks no server for anything', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const folder = temporaryFolder(t);
    const files: Record<string, string> = {};
    const { asked, origin } = await serve(t, files);
    const hostile = [
      `<img src=${origin}/img onerror=alert(1)>`,
      `</script><script src="${origin}/js"></script>`,
      `<!--<script>`,
      `"><link rel=stylesheet href=${origin}/css>`,
      `'-fetch('${origin}/fetch')-'`,
      `\u202etxt.exe\u2028<svg onload=alert(1)>`,
      `]]></style><iframe src=${origin}/frame>`,
    ];
    ghostFile(t, folder, 'one', 'x');
    const images = dumpOf(folder);
    rewrite(images, manifest => ({
      ...manifest,
      tool: hostile[0] as string,
      container: hostile[1] as string,
      ghosts: hostile.map(name => ({
        ...(manifest.ghosts[0] as ManifestGhost),
        path: name,
        filesystem: name,
        data: { ...manifest.ghosts[0]?.data, why: name } as NonNullable<ManifestGhost['data']>,
      })),
      leftOut: hostile.map(name => ({ pid: 1, what: 'fd 3', why: name, path: name })),
    }));
    fs.writeFileSync(
      `${images}/ghostkeep.log`,
      hostile.map(message => JSON.stringify({ message })).join('\n'),
    );
    files['/'] = `${folder}/page.html`;
    makePage(images, files['/']);
    const browser = await Browser.start(t);
    await browser.open(`${origin}/`);
    await browser.run(`document.querySelectorAll('.row').forEach(each => each.click())`);
    assert.equal(await browser.run(rows), hostile.length);
    const text = await browser.run<string>('document.body.innerText');
    for (const name of hostile.slice(0, 5)) assert.ok(text.includes(name), `${name} in ${text}`);
    assert.ok(
      !text.includes('\u202e') && text.includes('\\xe2\\x80\\xae'),
      'a name cannot turn the line around',
    );
    const foreign = `[...document.querySelectorAll('img,iframe,link,object,embed,base,form,a')].length`;
    assert.equal(await browser.run(foreign), 0);
    assert.equal(await browser.run(`document.scripts.length`), 2);
    assert.deepEqual(browser.said, []);
    assert.deepEqual(asked, ['/']);
    // The policy holds even where a program in the page would want to send something.
    await browser.run(`fetch('${origin}/sent').catch(() => 0)`);
    await browser.run(`(i => { i.src = '${origin}/sent'; document.body.append(i); })(new Image())`);
    await browser.until(`document.images.length === 1 && document.images[0].complete`);
    assert.deepEqual(asked, ['/']);
  });

  it('the page of show --html finds, filters and sorts 10,000 ghosts within a moment', {
    timeout: 300_000,
  }, async t => {
    if (!needs(t, chromium !== undefined, noBrowser)) return;
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'one', Buffer.alloc(100_000, 1));
    const images = dumpOf(folder);
    const classes = ['unlinked', 'silly-renamed', 'linked'] as const;
    rewrite(images, manifest => ({
      ...manifest,
      ghosts: Array.from({ length: 10_000 }, (_, index) => ({
        ...(manifest.ghosts[0] as ManifestGhost),
        id: index + 1,
        path: `/srv/cache/${index % 100}/part-${index}`,
        size: 100_000 + index,
        class: classes[index % 3] as (typeof classes)[number],
      })),
    }));
    const page = `${folder}/page.html`;
    makePage(images, page);
    const browser = await Browser.start(t);
    await browser.view({ width: 1280, height: 900 });
    const began = performance.now();
    await browser.open(`file://${page}`);
    const openMs = performance.now() - began;
    assert.match(await browser.run('document.getElementById("count").textContent'), /^10,000 ghosts/);
    assert.equal(await browser.run(firstPath), '/srv/cache/99/part-9999');
    const timed = async (expression: string) => {
      const ms = await browser.run<number>(
        `(() => { const b = performance.now(); ${expression}; return performance.now() - b; })()`,
      );
      return ms;
    };
    const times = [
      await timed(set('search', 'part-4242', 'input')),
      await timed(set('search', '', 'input')),
      await timed(set('sort', 'path', 'change')),
      await timed(set('filter', 'class:linked', 'change')),
    ];
    assert.match(
      await browser.run('document.getElementById("count").textContent'),
      /^3,333 of 10,000 ghosts/,
    );
    assert.equal(await browser.run(firstPath), '/srv/cache/0/part-1100');
    await browser.run(set('search', 'part-4244', 'input'));
    assert.equal(await browser.run(rows), 1);
    await browser.run(set('search', 'no such', 'input'));
    assert.equal(await browser.run(rows), 0);
    await browser.run(set('search', '', 'input'));
    const before = await browser.run<number>(rows);
    await browser.run(`window.scrollTo(0, document.body.scrollHeight)`);
    await browser.until(`${rows} > ${before}`);
    t.diagnostic(
      `opened in ${openMs.toFixed(0)} ms; ${times.map(ms => ms.toFixed(0)).join(', ')} ms a change`,
    );
    // A busy machine is much slower than a quiet one.
    assert.ok(openMs < 60_000 && times.every(ms => ms < 10_000), `${openMs} ms, ${times} ms`);
    assert.deepEqual(browser.said, []);
  });
});

describe('show --html', () => {
  it('show --html writes over a page that is there, and over nothing that is not a regular file', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'one', 'x');
    const images = dumpOf(folder);
    const page = `${folder}/page.html`;
    makePage(images, page);
    fs.appendFileSync(page, 'a page of before');
    makePage(images, page);
    assert.ok(!fs.readFileSync(page, 'utf8').includes('a page of before'));
    fs.symlinkSync(page, `${folder}/link`);
    fs.mkdirSync(`${folder}/folder`);
    for (const name of ['/dev/null', `${folder}/link`, `${folder}/folder`]) {
      const before = fs.lstatSync(name);
      const refused = ghostkeep(['show', images, '--html', name]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /it is not a regular file, and is left as it is/);
      const after = fs.lstatSync(name);
      assert.deepEqual([after.ino, after.mode], [before.ino, before.mode], name);
    }
    assert.deepEqual(fs.readdirSync(folder).sort(), ['folder', 'images', 'link', 'page.html']);
  });
});
