/**
 * A fake runtime with its CRIU, for `ghostkeep checkpoint -- runc checkpoint …`. It leaves the files to us
 * that CRIU_CONFIG_FILE names. If the test says that the gate is installed as well, it also leaves those to
 * us that the gate names.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endOfCriu, Gate } from './gate.js';
import { temporaryFolder } from './ghostkeep.js';

const self = fileURLToPath(import.meta.url);
const tsx = fileURLToPath(import.meta.resolve('tsx'));

export interface RuntimeRequest {
  /** The container's first process. */
  pid: number;
  images: string;
  /** The status that `runc state` says; running if it is not given. */
  status?: string;
  gate?: boolean;
  /** CRIU ends when this file exists. */
  until?: string;
}

/** @returns a program by the name `runc` */
export function aRuntime(t: TestContext, request: RuntimeRequest): string {
  const folder = temporaryFolder(t);
  const state = {
    ociVersion: '1.0.2',
    id: 'web',
    status: request.status ?? 'running',
    pid: request.pid,
    bundle: '/b',
  };
  fs.writeFileSync(`${folder}/request.json`, JSON.stringify(request));
  fs.writeFileSync(`${folder}/state.json`, JSON.stringify(state));
  fs.writeFileSync(
    `${folder}/runc`,
    `#!/bin/sh
case $1 in
state) cat ${folder}/state.json ;;
checkpoint) exec ${process.execPath} --import ${tsx} ${self} ${folder}/request.json ;;
esac
`,
    { mode: 0o755 },
  );
  return `${folder}/runc`;
}

async function playCriu(request: RuntimeRequest): Promise<number> {
  const { images, pid } = request;
  const config = fs.readFileSync(process.env['CRIU_CONFIG_FILE'] as string, 'utf8');
  const keys = [...config.matchAll(/^external (\S+)$/gm)].map(([, key]) => key as string);
  fs.mkdirSync(images, { recursive: true });
  const undo: (() => void)[] = [];
  const gate = request.gate
    ? new Gate({ after: (end: () => void) => void undo.push(end) } as TestContext, 'dump', images)
    : undefined;
  try {
    const [started = ''] = (await gate?.answer()) ?? [];
    if (started.startsWith('refuse')) {
      process.stderr.write(`${started}\n`);
      return 1;
    }
    const named = (await gate?.ask(`checkpoint ${pid}`)) ?? [];
    keys.push(...named.flatMap(line => (line.startsWith('external ') ? [line.slice(9)] : [])));
    fs.writeFileSync(`${path.dirname(process.argv[2] as string)}/frozen`, String(process.pid));
    // If the test has failed, its folders are gone by now.
    while (request.until && fs.existsSync(images) && !fs.existsSync(request.until)) await sleep(10);
    endOfCriu(images, ...new Set(keys));
    const sealed = await gate?.ask('finish 0');
    await gate?.leave();
    return sealed === undefined || sealed.at(-1) === 'done' ? 0 : 1;
  } finally {
    for (const end of undo) end();
  }
}

if (process.argv[1] === self)
  process.exitCode = await playCriu(JSON.parse(fs.readFileSync(process.argv[2] as string, 'utf8')));
