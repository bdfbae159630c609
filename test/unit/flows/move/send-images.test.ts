import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDocument } from '../../../../src/base/documents/document.js';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import type { EngineReport, Sending } from '../../../../src/base/host/host.js';
import { Mover } from '../../../../src/flows/move/mover.js';
import { sendOwned } from '../../../../src/flows/move/send-images.js';
import { manifestName } from '../../../../src/image/layout.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { fakeContext, fakeHost } from '../../fake-host.js';

const receiver = '0123456789abcdef0123456789abcdef';
const mebibyte = 1 << 20;

/** Sends a directory with two files, beside a ghost of 64 MiB. @returns what was set and sent, in this order */
async function stepsOf(isUrgent: boolean): Promise<string[]> {
  const steps: string[] = [];
  const host = fakeHost();
  const sending: Partial<Sending> = {
    start: () => ({ pid: 1, to: 2, from: 3 }),
    end: async () => 0,
    open: async (_, { stallMs }) => {
      steps.push(`open ${stallMs}`);
      return 1n;
    },
    close: () => 0n,
    waitForSteps: (_, ms) => void steps.push(`${ms} ms`),
    say: async (_, type) => void (type === 12 && steps.push('seal')),
    answer: async () => Buffer.from(JSON.stringify(steps.at(-1) === 'seal' ? {} : { receiver, build: 'x' })),
    file: async (_, __, size) => {
      steps.push(size === BigInt(16 * mebibyte) ? 'pages' : size === 5n ? 'small' : 'manifest');
      return {} as EngineReport;
    },
  };
  const context = fakeContext({ ...host, files: host.files, sending: sending as Sending } as typeof host);
  const moved = { key: '801-1267-0', header: 'AAAA' };
  const ghosts = [aManifestGhost({ size: 64 * mebibyte, allocated: 64 * mebibyte, moved })];
  const manifest = aManifest({ ghosts, moved: { to: 'there', receiver, complete: false } });
  parseDocument<Manifest>('Manifest', JSON.stringify(manifest), 'the test', 'BAD_INPUT');
  host.files.replace(`/images/${manifestName}`, Buffer.from(JSON.stringify(manifest)));
  host.files.replace('/images/core-1.img', Buffer.alloc(5));
  host.files.replace('/images/pages-1.img', Buffer.alloc(16 * mebibyte));
  const target = { words: ['/x'], environment: {}, shown: 'there' };
  const mover = new Mover(context, target, 'images', { resumeMs: 300, patienceMs: 100, isUrgent });
  await sendOwned(context, '/images', target, mover);
  return steps;
}

describe('the files of a checkpoint', () => {
  it('while processes may be frozen, each file has time for its own size, and the seal for everything', async () => {
    const steps = await stepsOf(true);
    assert.deepEqual(steps.slice(0, 7), [
      'open 300',
      '300 ms',
      'small',
      '1324 ms',
      'pages',
      '300 ms',
      'manifest',
    ]);
    assert.match(steps[7] as string, /^5\d\d\d ms$/);
    assert.deepEqual(steps.slice(8), ['seal']);
  });

  it('while nothing is frozen, a receiver that is alive has any time', async () => {
    const steps = await stepsOf(false);
    assert.deepEqual(new Set(steps.filter(step => step.endsWith(' ms'))), new Set(['0 ms']));
  });
});
