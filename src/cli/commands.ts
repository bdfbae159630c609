import type { Command } from './command.js';

/**
 * Every command with its one-line summary and the module with its code, which is loaded only when it is
 * called.
 */
export const commands: Record<string, Command> = {
  scan: {
    usage:
      'scan [--pid N … | --tree PID | --container NAME | --cgroup PATH | --all] [--sort allocated|size|path|pid]\n         [--min-size SIZE] [--kept-by ghostkeep|criu|no …] [--top N] [--watch | --metrics FILE] [--verbose] [--json]',
    summary: 'list files without a name and the processes that hold them (default: --all)',
    details:
      '--pid may be given more than once, --tree adds all descendants. --container takes the name or id that podman, docker,\nnerdctl, crictl or runc shows, or 12 digits of the id; --cgroup a path as a shell or systemctl shows it. The table begins\nwith what takes most room. A holder such as 812/fd/5 lies below /proc: `: > /proc/812/fd/5` empties that file, and its room\nis free again. --min-size leaves out ghosts for which fewer bytes are allocated; --top lists N only, and the\ntotals are those of all. --watch looks again every two seconds. --metrics writes FILE for node_exporter (examples/ghostkeep-scan.timer). Root sees every process, others their own; what was\nnot looked at is said below the table.',
    example: 'ghostkeep scan --sort size --min-size 1M',
    load: async () => (await import('./commands/scan.js')).scanCommand,
  },
  recover: {
    usage:
      'recover --pid N …|--tree PID|--container NAME|--cgroup PATH [--to DIR] [--paths] [--allow-privileged]\n         [--verbose] [--json]',
    summary: 'bring files back that were deleted and are still open, while their processes go on',
    details:
      'Each file comes back in DIR (default: ghostkeep-recovered) under its old base name; --paths makes the folders of its old path\nbelow DIR, too. No file that is there is written over: a second file of one name becomes NAME.ghost-INODE. Bytes of a\nname that act on a terminal or look like an option become %NN. Owner, mode, times and xattrs come back; set-id bits and\nxattrs trusted.* and security.* only with --allow-privileged. A file that was written to meanwhile may be torn, and that\nis said: `ghostkeep dump --freeze` copies one moment. Nobody else may be able to write to DIR.',
    example: 'ghostkeep recover --pid 4711 --to saved',
    load: async () => (await import('./commands/recover.js')).recoverCommand,
  },
  dump: {
    usage:
      'dump --pid N …|--tree PID|--container NAME|--cgroup PATH [--freeze] -D DIR [--base DIR2] [--parent P [--auto-dedup [--discard-older]]] [--engine auto|fiemap|seek|read] [--detect-zeroes] [--digest] [--require-frozen] [--allow-missing]\n         [--to ADDR [--tls …] | --via COMMAND] [--progress FD] [--verbose] [--json]',
    summary: "copy processes' ghosts into DIR, with --freeze as they are at one moment",
    details:
      '-D, --images-dir DIR is made if it is not there, and must hold no dump. --pid N is given for each process. --freeze\nfreezes the processes by the freezer of their cgroup, or with SIGSTOP, while they are copied; they go on however the copy ends,\nand if ghostkeep itself is killed, with its next command. --engine says\nhow data is found (default auto: by file system), --detect-zeroes leaves out blocks of zeroes that were written,\n--digest adds checksums for `ghostkeep verify`. --base takes over the bases that `pre-dump` has left in DIR2, compares every\nbyte, and writes what differs. --parent packs the dump when it is sealed and the processes go on, as `pack` does; until then DIR holds all\nof it. --auto-dedup also frees in P what was replaced, as `dedup` does. With --require-frozen the dump fails if one of the processes runs, or if another\nprocess can change a ghost through a mapping. Content that cannot be dumped is listed, and the exit status is 1 unless\n--allow-missing is given. --to and --via send the ghosts to `ghostkeep receive` on another host and store none of their\ncontent in DIR (docs/migrate.md).',
    example: 'ghostkeep dump --tree 4711 --freeze -D images',
    load: async () => (await import('./commands/dump.js')).dumpCommand,
  },
  check: {
    usage: 'check --container NAME|--pid N …|--tree PID|--cgroup PATH [-D DIR] [--verbose] [--json]',
    summary: 'would a checkpoint succeed now, how much room does it need, how long is the freeze',
    details:
      "Everything is listed for which ghostkeep or CRIU would refuse the checkpoint, with a code and the way out, and what cannot\nbe known from here. Room and time are those of ghosts: memory comes on top. The time is what the copies take at the rate of a\nsample, the first 64 MiB of the largest ghost, which is copied into DIR just now and removed. Without -D the folder is asked of the\ncontainer's engine. The processes go on. Exit status 1 where something would be refused.",
    example: 'ghostkeep check --tree 4711 -D next',
    load: async () => (await import('./commands/check.js')).checkCommand,
  },
  'pre-dump': {
    usage:
      'pre-dump --container ID | --pid N … | --tree PID [-D DIR | --to ADDR [--tls …] | --via COMMAND] [--until-stable [N]]\n         [--engine auto|fiemap|seek|read] [--progress FD] [--verbose] [--json]',
    summary: 'copy large ghosts while their processes run, so that the freeze is short',
    details:
      'This is for engines that pause a container before they call CRIU. The copies are bases in DIR/ghostkeep: the next checkpoint\nof these processes finds them, compares every byte, and writes what differs. DIR must be on the file system of the\ncheckpoint to come, and must hold no checkpoint yet; CRIU may write its checkpoint there. Without -D, the copies lie where containerd, CRI-O or\nPodman will put the images. Another pre-dump goes over the same bases.\n--until-stable repeats that while what differs still shrinks, N times at most (default 10). Where the freeze will share\nblocks (xfs, btrfs), only dirty pages are written to the disk. --to and --via send the copies to `ghostkeep receive` on another host.',
    example: 'ghostkeep pre-dump --tree 4711 -D next',
    load: async () => (await import('./commands/pre-dump.js')).preDumpCommand,
  },
  receive: {
    usage:
      'receive -D DIR [--max-bytes SIZE] [--listen PATH|ADDRESS:PORT [--status-fd FD] [--insecure | --tls [--tls-cacert FILE]\n         [--tls-cert FILE] [--tls-key FILE]]] [--json] | receive --dump',
    summary: 'receive ghosts from another host, on stdin and stdout or a socket',
    details:
      'The sender is `pre-dump` or `dump` with --to or --via on the other host, and `send-images` at the end. DIR is made if it\nis not there, and must hold no checkpoint. Until all has arrived everything lies in DIR/ghostkeep, and what was\nacknowledged is not sent again when a connection breaks. --max-bytes bounds what a sender may make this host store.\n--listen waits for connections until DIR is sealed: on a unix socket, which only its own user may connect to, or a TCP\nport. With --tls both sides show certificates of one authority; files have the names that CRIU has for them\n(/etc/pki/CA/cacert.pem, /etc/pki/criu/cert.pem, /etc/pki/criu/private/key.pem). Without --tls a port that others can reach needs\n--insecure. --status-fd gets a NUL when the port is open. --dump prints a stream from stdin, a line for each frame.\nWith --json, receive prints lines of JSON (schemas/receive-line.schema.json) on stderr, because its stdout belongs to the sender.',
    jsonLines: true,
    example: 'ghostkeep receive -D images',
    load: async () => (await import('./commands/receive.js')).receiveCommand,
  },
  show: {
    usage: 'show DIR|ARCHIVE [--verbose] [--extents] [--html FILE] [--json]',
    summary: 'list the ghosts of a dump, also inside an archive',
    details:
      'DIR may also be given as -D DIR, as in CRIU. An id has the digits that CRIU gives the name of its image,\nwhich are hexadecimal: from ten on, 0x stands before them.\nA holder is what kept the file open at the checkpoint. ARCHIVE is what `podman container checkpoint --export` or kubelet\nwrote, compressed with zstd or gzip or not at all; nothing is unpacked. A checkpoint that CRIU made alone is shown, too.\n-v, --verbose adds how each ghost was copied, and why so; --extents its ranges of data: [from, to) in bytes.\n--html writes one page for a browser, which loads nothing from anywhere: search, filter, sort, ranges to scale.',
    example: 'ghostkeep show images --html ghosts.html',
    load: async () => (await import('./commands/show.js')).showCommand,
  },
  verify: {
    usage: 'verify DIR|ARCHIVE [--chain] [--repair] [--verbose] [--json]',
    summary: 'check a dump for damage, also inside an archive',
    details:
      'The structure is checked, and the content where checksums were recorded; of a packed dump, what DIR has itself. --chain reads\nwhat DIR needs of its parents, too. ARCHIVE is read once from start to end, and nothing is unpacked; of a checkpoint that\nCRIU made alone the structure is checked. Exit status 1 on any damage.\n--repair makes a lost or damaged manifest again from the images, and says what cannot come back. It is refused where a\nrestore needs what only the manifest had.',
    example: 'ghostkeep verify images',
    load: async () => (await import('./commands/verify.js')).verifyCommand,
  },
  restore: {
    usage:
      'restore DIR --to DIR2 [--names] [--ghost ID …] [--preserve-allocation] [--allow-privileged]\n         [--keep-going] [--auto-dedup] [--verbose] [--json]',
    summary: 'make files again from a dump, as DIR2/ghost-ID or by their old names',
    details:
      '--ghost takes an id that `ghostkeep show` lists (0xa), the name of an image (ghost-file-a.img), or a decimal number (10), and may\nbe given more than once (default: all). --names gives each file its old base name: bytes that act on a terminal or look like\nan option become %NN, and a second file of one name becomes NAME.ghost-ID. restore writes over no file that is there, and a new file gets its name only when the disk has all of it. --keep-going restores the others where one is\ndamaged or does not fit; exit status 1 all the same. --auto-dedup moves what is packed: its layers, and those of the parents, give up what the files have\non the disk already. --preserve-allocation gives back space that was allocated and\nnever written, too. Nobody else may be able to write to DIR2. Rights that an image gives (set-id bits, xattrs\ntrusted.* and security.*) are withheld and listed; --allow-privileged sets them: an image of somebody else then makes\nprograms that run as root for whoever starts them.',
    example: 'ghostkeep restore images --to files --names',
    load: async () => (await import('./commands/restore.js')).restoreCommand,
  },
  seal: {
    usage: 'seal DIR [--verbose] [--json]',
    summary: 'finish a dump that was interrupted before its end',
    example: 'ghostkeep seal images',
    load: async () => (await import('./commands/seal.js')).sealCommand,
  },
  share: {
    usage: 'share DIR DIR2 … [--verbose] [--json]',
    summary: 'let checkpoints share the blocks that are equal (xfs, btrfs); each still stands alone',
    details:
      'Give the directories in the order in which the checkpoints were made: each is compared with the one before it.\nThe kernel compares the bytes again before it shares a block, so no content changes. The command can be repeated.\nxfs frees as many bytes as have become shared; btrfs frees an extent, of up to 128 MiB, when all of it is shared.',
    example: 'ghostkeep share older images',
    load: async () => (await import('./commands/share.js')).shareCommand,
  },
  pack: {
    usage: 'pack DIR --parent P [--auto-dedup [--discard-older]] [--verbose] [--json]',
    summary: 'keep of a checkpoint only what differs from an earlier one, its parent',
    details:
      'Ghosts above 64 KiB that the parent has, too, are compared byte by byte, in units of 64 KiB. Both directories are checked\nfirst. DIR cannot be restored by CRIU until `ghostkeep materialize` has made it stand alone again; `show`, `verify`\nand `restore` work on it. It needs P, where P is now, with the parents of P; there may be 32 of them. --auto-dedup\nthen frees in P and its parents what DIR has replaced, as `ghostkeep dedup` does.',
    example: 'ghostkeep pack images --parent older',
    load: async () => (await import('./commands/pack.js')).packCommand,
  },
  dedup: {
    usage: 'dedup DIR [--discard-older] [--children-removed] [--dry-run] [--verbose] [--json]',
    summary: 'free in the parents of a packed checkpoint what it has replaced; it ends them as checkpoints',
    details:
      'For ghosts, this does what `criu dedup` does for memory. Holes are punched into packed data of the parents, in whole units of 64 KiB, after\ntheir manifests say to whom they were given up. DIR is read completely first. The command is refused when another\ndirectory needs one of the parents, and, without --discard-older, when a parent can still be restored by itself.\nWith --discard-older such a parent is packed, and CRIU cannot restore it any more. --dry-run says how many bytes would be free. The\ncommand can be repeated. Another child of a parent that is not where it was is an error, because its disk may be unmounted;\n--children-removed says that such children were removed.',
    example: 'ghostkeep dedup images --discard-older',
    load: async () => (await import('./commands/dedup.js')).dedupCommand,
  },
  materialize: {
    usage:
      'materialize DIR [--to DIR2] [--auto-dedup] [--preserve-allocation] [--accept-changed-inventory] [--verbose] [--json]',
    summary: 'make a packed dump stand alone again; ask that allocated space comes back at restore',
    details:
      'The command also checks that the dump is complete. --to leaves DIR as it is and makes a copy that stands alone in DIR2, which must be\nempty or not there. Without --to, the command is refused while packed directories need DIR.\nWith --auto-dedup the layers of DIR and of its parents give up what the images have on the disk already, so that hardly more\nthan one copy exists at any time; an interrupted command goes on when it is repeated.\nWith --preserve-allocation the manifest notes that space which was allocated and never written (fallocate) is\nallocated again when the dump is restored: by CRIU where ghostkeep is installed, and by `ghostkeep restore`. Without it such\nspace comes back as holes. What cannot be allocated is a warning in the log of CRIU. A checkpoint that podman has\nexported must be unpacked first.\nWhen a tool has rewritten inventory.img, a restore with ghostkeep refuses the directory.\n--accept-changed-inventory checks everything else, and the manifest then accepts inventory.img as it is now.',
    example: 'ghostkeep materialize images --preserve-allocation',
    load: async () => (await import('./commands/materialize.js')).materializeCommand,
  },
  forget: {
    usage: 'forget DIR [--dry-run] [--children-removed] [--verbose] [--json]',
    summary: 'remove a checkpoint; packed ones that need it take over what they need',
    details:
      'DIR may be the oldest checkpoint, the newest or one in between. If DIR stands alone, its child becomes whole; if DIR is\npacked, its child takes over what DIR has, and gets the parent of DIR. Room is checked first, and what a child gets is checked\nand on the disk before anything is removed. After an interruption, run the command again. Files in DIR that are neither\nours nor those of CRIU stay, and so does DIR then. --dry-run only says what would be done. A child that is not where it\nwas is an error, because its disk may be unmounted; --children-removed says that such children were removed.',
    example: 'ghostkeep forget older --dry-run',
    load: async () => (await import('./commands/forget.js')).forgetCommand,
  },
  checkpoint: {
    usage:
      'checkpoint [--hold SECONDS] [--verbose] [--json] -- runc|crun [OPTION …] checkpoint [OPTION …] ID',
    summary: "the gate's part around a runtime's command, where the gate is not installed",
    details:
      'Ghosts are found and held, CRIU is told to leave them out, the command runs, then they are copied and the image\nis sealed. If the copy or the seal fails, the files stay held for --hold seconds (default 86400) so that nothing is lost:\nremove the cause and run `ghostkeep seal -D DIR` in another terminal.',
    example: 'ghostkeep checkpoint -- runc checkpoint --image-path images web',
    load: async () => (await import('./commands/checkpoint.js')).checkpointCommand,
  },
  demo: {
    usage: 'demo [--json]',
    summary: 'see it work: try-hooks, then a real container where runc and CRIU are',
    example: 'ghostkeep demo',
    load: async () => (await import('./commands/demo.js')).demoCommand,
  },
  register: {
    usage: 'register [--remove] BUNDLE [--json]',
    summary: "put the hooks of this installation into a bundle's config.json, for runc and crun",
    details:
      'The hooks of others and every other part of the file stay; hooks of ours from an earlier installation are replaced. A bundle\nthat has them already is not written. --remove takes ours out. podman, CRI-O and others read hooks.d and need no\nregistration.',
    example: 'ghostkeep register bundle',
    load: async () => (await import('./commands/register.js')).registerCommand,
  },
  'try-hooks': {
    usage:
      'try-hooks [--bundle DIR] [--keep] [--json]\n       | try-hooks --hook PATH [--stage prestart|createRuntime|poststop …] [--timeout SECONDS] [--json] [-- ARG …]',
    summary:
      "the hooks without a runtime: checkpoint and restore played, every byte compared; or anybody's hook tried",
    details:
      'Needs no runtime, no CRIU and no root. A workload makes files without a name; the hooks that the bundle\'s\nconfig.json registers (without --bundle: ghostkeep\'s own) are run as a runtime runs them, with its state on stdin;\nthe processes are frozen, dumped by poststop, killed, and a new one gets the restored files. Everything is made\nin a folder of its own below $TMPDIR, which --keep leaves there. Exit status 1 on any difference.\n--hook tries a hook of somebody else: PATH is its program or a hooks.d file. It is called as runc, crun, podman and CRI-O\ncall it in the life of a container: without PATH, with the bundle "/", with 192 KiB of annotations, twice, without a pid.\nIt is run for real, as you. Exit status 1 if it does something wrong in a call.',
    example: 'ghostkeep try-hooks',
    load: async () => (await import('./commands/try-hooks.js')).tryHooksCommand,
  },
  bench: {
    usage:
      'bench [SUITE …] [--quick] [--json] [--case NAME …] [--filesystem NAME …] [--results DIR] [--scratch DIR]',
    summary: 'ghostkeep beside CRIU and other tools, in turns, every byte compared',
    details:
      'Suites: start, busy, dump, rounds, move, restore, copy, extents, find, hooks, histories, growth, memory (default: all). Needs root: file systems are made on\nloop devices and removed again, all in namespaces of its own. Programs that this machine lacks come from a tree\nof Debian 13 in ~/.cache/ghostkeep (mmdebstrap; GHOSTKEEP_BENCH_TREE names another). Table, JSON and plot go\ninto --results. Exit status 1 when a byte was wrong; no time is ever an error.',
    example: 'ghostkeep bench copy --quick --case 4k-4k-16m',
    load: async () => (await import('./commands/bench.js')).benchCommand,
  },
  doctor: {
    usage: 'doctor [--clean] [-D DIR] [--verbose] [--json]',
    summary: 'look at this host: would a checkpoint work, and which command mends what does not',
    details:
      'A line for each part of the host: ok, warning or broken, and below it the command that mends it. Root sees everything; for\nothers it says what was not looked at. CRIU and the gate are really tried: a process of its own with a file without a name is\ndumped and restored in a scratch folder. Nothing else is changed, and no other process is touched. --clean removes what\nghostkeep has left and nobody comes for, and lets containers go on that a killed ghostkeep has left paused. -D looks at DIR\nas well, a directory for images: after a reboot nothing else leads to the bases of `pre-dump` in it. Exit status 1 if\nsomething is broken.',
    example: 'ghostkeep doctor',
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
  },
  explain: {
    usage: 'explain [CODE] [--json]',
    summary: 'say what an error code means, and what to do',
    details:
      'CODE stands in brackets at the end of a message, as in [GHOST_CHANGED]. Without CODE, explain lists all codes with what each\nmeans, one on each line; a terminal shows as much of a line as it has room for.',
    example: 'ghostkeep explain GHOST_CHANGED',
    load: async () => (await import('./commands/explain.js')).explainCommand,
  },
  hook: {
    usage: 'hook prestart|createRuntime|poststop',
    summary: 'called by the programs in hooks/; container state on stdin',
    noJson:
      'its output belongs to the runtime, which shows it to people; what it has done is in /var/log/ghostkeep.log, as JSON lines',
    load: async () => (await import('./commands/hook.js')).hookCommand,
  },
  'send-images': {
    usage:
      'send-images -D DIR --to ADDR [--tls [--tls-cacert FILE] [--tls-cert FILE] [--tls-key FILE] [--tls-no-cn-verify]] [--insecure]\n         | --via COMMAND [--progress FD] [--verbose] [--json]',
    summary: "send CRIU's own files of a checkpoint whose ghosts were sent to another host",
    details:
      'The last step of a move: DIR is the directory of the checkpoint here. The receiver then makes the images of the ghosts,\nchecks everything, and has a checkpoint. It can be repeated until that has worked; the gate calls it at its end.\n--to is HOST:PORT, [ADDRESS]:PORT or the path of a unix socket on which `ghostkeep receive --listen` listens. --tls encrypts;\nboth sides need certificates of one authority, by default the files that CRIU takes. Without it only loopback and unix\nsockets are used, unless --insecure is given. --via is a command that speaks to `ghostkeep receive` on its stdin and stdout.\nIt is split into words as a shell does and run without one, with PATH, HOME, USER, LOGNAME and SSH_AUTH_SOCK alone.\n--progress writes lines of JSON to the descriptor FD (schemas/progress.schema.json), twice a second.',
    example: "ghostkeep send-images -D images --via 'ssh backup ghostkeep receive -D /srv/web'",
    load: async () => (await import('./commands/send-images.js')).sendImagesCommand,
  },
  carry: {
    usage: 'carry [--tls …] [--insecure] ADDR',
    summary: 'started by --to, not by people: bytes from stdin go to ADDR, and its bytes to stdout',
    noJson: 'its output belongs to the command that has started it, which reports what has failed',
    load: async () => (await import('./commands/carry.js')).carryCommand,
  },
  gate: {
    usage: 'gate dump|restore',
    summary: 'started by the CRIU plugin, not by people (native/gate/PROTOCOL.md)',
    noJson:
      'its answers belong to the plugin and go into the log of CRIU; what it has done is in ghostkeep.log in the image directory, as JSON lines',
    load: async () => (await import('./commands/gate.js')).gateCommand,
  },
  completion: {
    usage: 'completion bash|zsh|fish [--json]',
    summary: 'print completions of the command line for a shell',
    details:
      'bash: `ghostkeep completion bash >/etc/bash_completion.d/ghostkeep`; zsh: into a file _ghostkeep in a folder of $fpath;\nfish: into ~/.config/fish/completions/ghostkeep.fish.',
    example: 'ghostkeep completion bash',
    load: async () => (await import('./commands/completion.js')).completionCommand(commands),
  },
  man: {
    usage: 'man [--json]',
    summary: 'print the manual page',
    details: '`ghostkeep man | man -l -` shows it.',
    example: 'ghostkeep man',
    load: async () => (await import('./commands/man.js')).manCommand(commands),
  },
};
