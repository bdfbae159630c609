import { moveSuite } from './move/suite.js';
import type { Suite } from './suite.js';
import { busySuite } from './suites/busy.js';
import { copySuite } from './suites/copy.js';
import { dumpSuite } from './suites/dump.js';
import { extentsSuite } from './suites/extents.js';
import { findSuite } from './suites/find.js';
import { growthSuite } from './suites/growth.js';
import { historiesSuite } from './suites/histories.js';
import { hooksSuite } from './suites/hooks.js';
import { memorySuite } from './suites/memory.js';
import { restoreSuite } from './suites/restore.js';
import { roundsSuite } from './suites/rounds.js';
import { startSuite } from './suites/start.js';

export const suites: readonly Suite[] = [
  startSuite,
  busySuite,
  dumpSuite,
  roundsSuite,
  moveSuite,
  restoreSuite,
  copySuite,
  extentsSuite,
  findSuite,
  hooksSuite,
  historiesSuite,
  growthSuite,
  memorySuite,
];
