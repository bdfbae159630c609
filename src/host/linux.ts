import type { Host } from '../base/host/host.js';
import { LinuxCommands } from './commands.js';
import { NativeEngine } from './engine/engine.js';
import { moving } from './engine/moving.js';
import { sending } from './engine/sending.js';
import { PlacedFiles } from './files/placed-files.js';
import { machine } from './machine.js';
import { LinuxFreezer } from './proc/freezer.js';
import { LinuxProcesses } from './proc/processes.js';

export function linuxHost(): Host {
  return {
    commands: new LinuxCommands(),
    processes: new LinuxProcesses(),
    files: new PlacedFiles(),
    engine: new NativeEngine(),
    freezer: new LinuxFreezer(),
    sending,
    moving,
    now: () => new Date(),
    clock: () => performance.now(),
    uid: () => process.getuid?.() ?? 0,
    environment: () => process.env,
    machine,
  };
}
