import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toAddress, toConfigured, viaCommand } from '../../../../src/flows/move/target.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext, fakeHost } from '../../fake-host.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function contextWith(environment: Record<string, string> = {}) {
  const host = { ...fakeHost(), environment: () => environment };
  host.files.put('/usr/bin/ssh', Buffer.from(''));
  return fakeContext(host);
}

describe('the target of a move', () => {
  it('the command of --via gets the environment that ssh needs, and nothing else of ours', () => {
    const context = contextWith({
      HOME: '/root',
      SSH_AUTH_SOCK: '/run/agent',
      PATH: '/evil',
      LD_PRELOAD: 'x',
    });
    assert.deepEqual(viaCommand(context, "ssh 'my host' ghostkeep receive -D /srv"), {
      words: ['/usr/bin/ssh', 'my host', 'ghostkeep', 'receive', '-D', '/srv'],
      environment: { HOME: '/root', SSH_AUTH_SOCK: '/run/agent', PATH },
      shown: "ssh 'my host' ghostkeep receive -D /srv",
    });
  });

  it('the address of --to goes to our own carrier, which cannot take it for an option', () => {
    assert.deepEqual(toAddress(contextWith(), '-x:1', ['--tls']), {
      words: ['/usr/bin/ghostkeep', 'carry', '--tls', '--', '-x:1'],
      environment: { PATH },
      shown: '-x:1',
    });
  });

  it('moveTo in config.json has three forms: a command, an address with TLS, and a socket', () => {
    const context = contextWith();
    assert.deepEqual(toConfigured(context, 'via:ssh a').words, ['/usr/bin/ssh', 'a']);
    assert.deepEqual(toConfigured(context, 'tls:host:1').words.slice(1), ['carry', '--tls', '--', 'host:1']);
    assert.deepEqual(toConfigured(context, '/run/x').words.slice(1), ['carry', '--', '/run/x']);
  });

  it('the target of a move is refused where its program is not installed, or would need a shell', () => {
    const context = contextWith();
    assert.throws(
      () => toConfigured(context, 'via:rsh a'),
      ghostkeepError('BAD_POLICY', 'there is no program rsh in'),
    );
    assert.throws(() => viaCommand(context, 'ssh a | b'), ghostkeepError('USAGE', 'act on |'));
  });
});
