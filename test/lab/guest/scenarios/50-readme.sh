# shellcheck shell=bash
# weight: 110
# native: but podman
# Runs README.md word for word: the blocks that name this file are run one after another, as a user would type
# them.

# block NUMBER: prints the commands of the NUMBERth block that names this scenario.
block() {
	awk -v wanted="$1" '
		/^<!-- run by .*50-readme\.sh/ { at++ }
		/^```$/ { inside = 0 }
		inside && at == wanted { print }
		/^```sh$/ { inside = 1 }
	' /lab/README.md
}

# Root does not type sudo, and install.sh has its own scenario.
run_block() {
	local commands
	commands=$(block "$1")
	[ -n "$commands" ] || fail "README.md has no block $1 for this scenario"
	cd "$WORK"
	DEADLINE=300 bounded bash -euxo pipefail -c "$commands" | tee "$LOGS.said"
}

expect_said() {
	grep -aqE "$1" "$LOGS.said" || fail "the block printed no line like: $1"
}

first_checkpoint_with() {
	local runtime=$1
	with_ghostkeep
	rm -rf "$WORK/first" "$WORK/ckpt" "$WORK/examples"
	cp -a /lab/examples "$WORK/examples"
	at_exit "$runtime" delete -f mydb
	run_block 1
	expect_said '300 MiB +unlinked .* ghostkeep +/data/'
	expect_said '^ok dense-300m'
	expect_said '^end$'
}

first_checkpoint_with_podman() {
	local runtime=$1
	with_ghostkeep
	[ -d "$WORK/first" ] || make_rootfs "$WORK/first/rootfs"
	podman_is_runtime "$runtime"
	at_exit podman rm -f -t 0 mydb
	run_block 2
	expect_said '^mydb$'
}

# The README says `podman`, which starts the runtime that its configuration names.
podman_is_runtime() {
	export CONTAINERS_CONF_OVERRIDE=$WORK/containers.conf
	printf '[engine]\nruntime = "%s"\n' "${1#podman-}" >"$CONTAINERS_CONF_OVERRIDE"
}

check runc "README: a first checkpoint" first_checkpoint_with runc
check podman-crun "README: a first checkpoint with podman" first_checkpoint_with_podman podman-crun
