import type { Host } from '../base/host.js';
import { LinuxCommands } from './commands.js';
import { NativeEngine } from './engine.js';
import { machine } from './machine.js';
import { PlacedFiles } from './placed-files.js';
import { LinuxProcesses } from './processes.js';

export function linuxHost(): Host {
  return {
    commands: new LinuxCommands(),
    processes: new LinuxProcesses(),
    files: new PlacedFiles(),
    engine: new NativeEngine(),
    now: () => new Date(),
    clock: () => performance.now(),
    uid: () => process.getuid?.() ?? 0,
    machine,
  };
}
