import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isTooOld, machineOf } from '../../../../../src/flows/doctor/look/criu.js';

describe('a CRIU', () => {
  it('a CRIU is too old for the gate before version 4.0, and where it does not say its version', () => {
    const version = (text: string) => isTooOld({ version: text });
    assert.deepEqual(['3.17.1', '3.19', '4.0', '4.1.1', '10.2'].map(version), [
      true,
      true,
      false,
      false,
      false,
    ]);
    assert.equal(isTooOld({}), true);
  });

  it('a CRIU is for the machine that its ELF header names, and a script is for no particular machine', () => {
    const machine = { x64: 62, arm64: 183 }[process.arch as 'x64' | 'arm64'];
    assert.equal(machineOf(readFileSync('/proc/self/exe').subarray(0, 64)), machine);
    assert.equal(machineOf(Buffer.from('#!/bin/sh\nexec /usr/sbin/criu "$@"\n')), undefined);
    for (const cutOff of ['\x7fELF', '\x7fELF\x02\x01'])
      assert.equal(machineOf(Buffer.from(cutOff)), undefined);
  });
});
