# shellcheck shell=bash
# weight: 60
# native: all
# Runs README.md word for word: the blocks that name this file are run one after another, as a user would type
# them. Root does not type sudo, and install.sh has its own scenario.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

first_checkpoint() {
	with_ghostkeep
	rm -rf "$WORK/first" "$WORK/ckpt" "$WORK/examples"
	cp -a /lab/examples "$WORK/examples"
	at_exit runc delete -f mydb
	run_block README.md 1
	expect_said '300 MiB .* ghostkeep +unlinked .* /data/'
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

# The second block goes on with the files of the first.
same_with_podman() {
	with_ghostkeep
	at_exit podman rm -f -t 0 mydb
	run_block README.md 2
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

check runc "README: a first checkpoint" first_checkpoint
# It would take too long under emulation.
[ "$LAB_PART" != native ] || check podman-crun "README: the same with Podman" same_with_podman
