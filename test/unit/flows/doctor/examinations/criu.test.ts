import assert from 'node:assert/strict';
import os from 'node:os';
import { describe, it } from 'node:test';
import { examineCriu } from '../../../../../src/flows/doctor/examinations/criu.js';
import { hostWith } from '../a-host.js';

const program = '/usr/sbin/criu';
const status = { '/proc/self/status': 'CapEff:\t000001ffffffffff\n' };
const apt = { '/usr/bin/apt-get': '' };
const policy = (candidate: string) => ({
  ...apt,
  'apt-cache': `criu:\n  Installed: (none)\n  Candidate: ${candidate}\n  Version table:\n`,
});
const old = { [program]: 'Version: 3.17.1\n' };
/** The head of an ELF file for this machine, or for another one. */
const elf = (machine: number) =>
  Buffer.concat([Buffer.from('\x7fELF\x02\x01'.padEnd(18, '\0'), 'latin1'), Buffer.from([machine, 0])]);
const [own = 0, other = 0] = os.machine() === 'aarch64' ? [183, 62] : [62, 183];

async function examine(programs: Parameters<typeof hostWith>[1], file: Buffer | null = elf(own)) {
  const { context, fake } = hostWith(status, programs);
  if (file) fake.host.files.put(program, file);
  const { findings } = await examineCriu(context, { clean: false });
  assert.deepEqual(
    findings.map(({ name, status }) => [name, status]),
    [['criu', 'broken']],
  );
  return findings[0] as (typeof findings)[0];
}
const loader = (library: string) => ({
  status: 127,
  stderr: `${program}: error while loading shared libraries: ${library}: cannot open shared object file: No such file\n`,
});

describe('what doctor says of a CRIU that cannot be used', () => {
  it('when CRIU is too old and apt has a newer one that is new enough, doctor names the command of apt', async () => {
    const { says, command } = await examine({ ...old, ...policy('4.1.1-1') });
    assert.match(
      says,
      /criu 3\.17\.1 cannot use the gate, which needs CRIU 4\.0 or later; `ghostkeep checkpoint/,
    );
    assert.equal(command, 'apt-get install criu');
  });

  it("when CRIU is too old and apt has none that is new enough, doctor names apt's version and other ways, and no command", async () => {
    for (const candidate of ['3.17.1-2+deb12u2', '1:3.19-1']) {
      for (const [installed, file] of [
        [old, elf(own)],
        [{}, null],
      ] as const) {
        const { says, command } = await examine({ ...installed, ...policy(candidate) }, file);
        assert.match(
          says,
          /package of this system is CRIU 3\.1[79].*, too old as well: Debian 13 .*criu\.org/,
        );
        assert.equal(command, undefined);
      }
    }
  });

  it('when doctor cannot know which CRIU the package manager has, it names the command of the package manager', async () => {
    const by = async (programs: object) => (await examine({ ...old, ...programs })).command;
    const silent = { ...apt, 'apt-cache': { status: 127, stderr: 'not found' } };
    const odd = { ...apt, 'apt-cache': 'criu:\n  Candidate: git-2026\n' };
    const commands: unknown[] = [];
    for (const programs of [silent, odd, { '/usr/bin/dnf': '' }]) commands.push(await by(programs));
    assert.deepEqual(commands, ['apt-get install criu', 'apt-get install criu', 'dnf install criu']);
  });

  it('when the package manager has no CRIU, doctor says so and where there is one, and names no command', async () => {
    for (const programs of [policy('(none)'), { ...apt, 'apt-cache': '' }]) {
      const { says, command } = await examine(programs, null);
      assert.match(
        says,
        /apt has no package of it here \(after `apt-get update` it may\): Debian 13 .*criu\.org/,
      );
      assert.equal(command, undefined);
    }
  });

  it('on a machine that is not in our table, doctor says of no CRIU that it is for another machine', async t => {
    t.mock.method(os, 'machine', () => 'riscv64');
    const { says, command } = await examine({ [program]: loader('libnl-3.so.200'), '/usr/bin/dnf': '' });
    assert.match(says, /cannot be started: .*libnl-3\.so\.200/);
    assert.equal(command, 'dnf reinstall criu');
  });

  it('when CRIU is too old, doctor says that `ghostkeep checkpoint` works with it, or on what that depends', async () => {
    const on = async (ids: object) => {
      const { context, fake } = hostWith(status, { ...old, ...policy('4.1.1-1') });
      fake.host.files.put(program, elf(own));
      Object.assign(fake.host, ids);
      return (await examineCriu(context, { clean: false })).findings[0]?.says ?? '';
    };
    assert.match(await on({}), /; `ghostkeep checkpoint -- runc checkpoint …` works with this one$/);
    assert.match(
      await on({ uid: () => 1000 }),
      /works with this one if it runs on this kernel \(`criu check`\)$/,
    );
  });

  it('when CRIU does not find a library, doctor says which, and names the package of the library', async () => {
    const programs = { [program]: loader('libnl-3.so.200'), ...apt };
    const owned = await examine({
      ...programs,
      dpkg: 'libnl-3-200:amd64: /usr/lib/x86_64-linux-gnu/libnl-3.so.200\n',
    });
    assert.match(owned.says, /criu cannot be started: .*shared libraries: libnl-3\.so\.200: cannot open/);
    assert.equal(owned.command, 'apt-get install --reinstall libnl-3-200:amd64');
    const removed = await examine({ ...programs, dpkg: { status: 1, stderr: 'dpkg-query: no path found' } });
    assert.equal(removed.command, 'apt-get install --fix-broken');
    const { command } = await examine({ [program]: loader('libnl-3.so.200'), '/usr/bin/dnf': '' });
    assert.equal(command, 'dnf reinstall criu');
  });

  it('when CRIU is for another machine, or fails in another way, doctor gives its first line and the command to reinstall it', async () => {
    const shell = { [program]: { status: 2, stderr: `${program}: 1: Syntax error\nmore\n` }, ...apt };
    const foreign = await examine(shell, elf(other));
    assert.match(
      foreign.says,
      new RegExp(`cannot be started: it is for another kind of machine than ${os.machine()}`),
    );
    const { says, command } = await examine(shell);
    assert.match(says, /cannot be started: \/usr\/sbin\/criu: 1: Syntax error$/);
    assert.deepEqual([foreign.command, command], Array(2).fill('apt-get install --reinstall criu'));
    const silent = await examine({ ...apt, [program]: { status: 139, stderr: '' } });
    assert.match(silent.says, /cannot be started: exit status 139/);
  });

  it('when CRIU is not executable, doctor says so and names chmod', async () => {
    const { says, command } = await examine(apt);
    assert.match(says, /criu cannot be started: it is not executable/);
    assert.equal(command, `chmod 755 ${program}`);
  });

  it('when CRIU is too old and does not run on this kernel, doctor does not say that `ghostkeep checkpoint` works with it', async () => {
    const { context, fake } = hostWith(status, { ...old, ...policy('3.17.1') });
    fake.host.files.put(program, elf(own));
    const { output } = fake.host.commands;
    fake.host.commands.output = async (argv, ...more) =>
      argv[1] === 'check'
        ? { status: 1, stdout: '', stderr: 'Error: first\nError: kerndat failed.\n' }
        : output.call(fake.host.commands, argv, ...more);
    const { findings } = await examineCriu(context, { clean: false });
    assert.match(
      findings[0]?.says ?? '',
      /nor does it work with this kernel: Error: kerndat failed; the package/,
    );
    assert.doesNotMatch(findings[0]?.says ?? '', /ghostkeep checkpoint/);
  });
});
