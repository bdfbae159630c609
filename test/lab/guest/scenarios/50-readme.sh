# shellcheck shell=bash
# weight: 60
# native: all
# Runs README.md word for word: the blocks that name this file are run one after another, as a user would type
# them.

# block NUMBER: prints the commands of the NUMBERth block that names this scenario.
block() {
	awk -v wanted="$1" '
		/^<!-- run by .*50-readme\.sh/ { at++ }
		/^```$/ { if (inside && at == wanted) exit; inside = 0 }
		inside && at == wanted { print }
		/^```sh$/ { inside = 1 }
	' /lab/README.md
}

# Root does not type sudo, and install.sh has its own scenario.
run_block() {
	local commands
	commands=$(block "$1")
	[ -n "$commands" ] || fail "README.md has no block $1 for this scenario"
	cd "$WORK" || fail "cannot enter $WORK"
	DEADLINE=300 bounded bash -euxo pipefail -c "$commands" | tee "$LOGS.said"
}

expect_said() {
	grep -aqE "$1" "$LOGS.said" || fail "the block printed no line like: $1"
}

first_checkpoint() {
	with_ghostkeep
	rm -rf "$WORK/first" "$WORK/ckpt" "$WORK/examples"
	cp -a /lab/examples "$WORK/examples"
	at_exit runc delete -f mydb
	run_block 1
	expect_said '300 MiB +unlinked .* ghostkeep +/data/'
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

# The second block goes on with the files of the first.
same_with_podman() {
	with_ghostkeep
	at_exit podman rm -f -t 0 mydb
	run_block 2
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

check runc "README: a first checkpoint" first_checkpoint
# It would take too long under emulation.
[ "$LAB_PART" != native ] || check podman-crun "README: the same with Podman" same_with_podman
