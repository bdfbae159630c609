/** A whole machine in memory: processes, files and engine see each other's descriptors. */
import assert from 'node:assert/strict';
import type { Commands, Freezer, Host, Moving, Sending } from '../../src/base/host/host.js';
import type { Log } from '../../src/base/log.js';
import type { Context } from '../../src/flows/context.js';
import { FakeEngine } from './fake-engine.js';
import { FakeProcesses } from './fake-processes.js';
import { MemoryFiles } from './memory-files.js';

export * from './fake-processes.js';
export { Interrupted } from './memory-files.js';

export interface FakeHost extends Host {
  processes: FakeProcesses;
  files: MemoryFiles;
  engine: FakeEngine;
}

const noCommands: Commands = {
  own: () => ['/usr/bin/ghostkeep'],
  run: async () => 0,
  output: async () => ({ status: 0, stdout: '', stderr: '' }),
  leave: () => {},
};

const noFreezer: Freezer = {
  cgroupOf: () => undefined,
  members: () => [],
  freeze: () => {},
  thaw: () => {},
  isFrozen: () => false,
  signal: () => {},
  wait: async () => {},
};

/** Nothing is sent in memory: test/scenario/send.test.ts has real receivers. */
const noSending = new Proxy({} as Sending, {
  get: (_, name) => assert.fail(`sending.${String(name)} was used`),
});

/** Nothing moves in memory: test/unit/flows/receive has real files. */
const noMoving = new Proxy({} as Moving, {
  get: (_, name) => assert.fail(`moving.${String(name)} was used`),
});

export function fakeHost(): FakeHost {
  const files = new MemoryFiles();
  return {
    files,
    processes: new FakeProcesses(files),
    engine: new FakeEngine(files),
    commands: noCommands,
    freezer: noFreezer,
    sending: noSending,
    moving: noMoving,
    now: () => new Date(0),
    clock: () => 0,
    uid: () => 0,
    environment: () => ({}),
    machine: () => 'this machine',
  };
}

/** Lines of the log, as `warn text`. */
export interface FakeContext extends Context {
  host: FakeHost;
  lines: string[];
}

export function fakeContext(host = fakeHost()): FakeContext {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => {
    lines.push(`${level} ${message}`);
  };
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { host, log, lines, tool: 'ghostkeep test' };
}
