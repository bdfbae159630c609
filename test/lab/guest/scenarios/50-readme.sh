# shellcheck shell=bash
# weight: 60
# native: all
# Runs README.md word for word: the blocks that name this file are run one after another, as a user would type
# them. Root does not type sudo, and install.sh has its own scenario.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

first_checkpoint() {
	with_ghostkeep
	rm -rf "$WORK/examples"
	cp -a /lab/examples "$WORK/examples"
	at_exit runc delete -f mydb
	run_block README.md 1
	expect_said '300 MiB .* ghostkeep +unlinked .* /data/'
	expect_said '^checkpoint of container mydb by CRIU, sealed .* by ghostkeep .*, no checksums'
	expect_said '300 MiB +ghost-file-1.img +[0-9]+/fd/[0-9]+ +/data/'
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

# A reader whose container does not start sees why, and does not wait for ever.
without_a_container() {
	with_ghostkeep
	rm -rf "$WORK/examples"
	cp -a /lab/examples "$WORK/examples"
	! run_block README.md 1 's/run -d --bundle first/run -d --bundle nowhere/' || fail "the block succeeded"
	expect_said 'nowhere'
}

# The second block goes on with the files of the first.
same_with_podman() {
	with_ghostkeep
	at_exit podman rm -f -t 0 mydb
	run_block README.md 2
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

check runc "README: a container that does not start" without_a_container
check runc "README: a first checkpoint" first_checkpoint
# It would take too long under emulation.
[ "$LAB_PART" != native ] || check podman-crun "README: the same with Podman" same_with_podman
