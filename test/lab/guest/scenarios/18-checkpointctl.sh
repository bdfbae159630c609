# shellcheck shell=bash
# weight: 60
# suites: forky
# native: all
# checkpointctl says of an exported checkpoint the same with ghostkeep as without it. It is not in Debian 13.

# said_of_export NAME: exports the running container and prints what checkpointctl says. Between two checkpoints of one
# container, times and sizes differ, and nothing else may.
said_of_export() {
	local archive=$WORK/$1.tar.zst
	bounded podman container checkpoint --leave-running --export "$archive" "$1" >/dev/null ||
		fail "podman cannot export $1"
	bounded checkpointctl show "$archive" | sed -E 's/[0-9-]+T[0-9:]+Z/TIME/; s/[0-9.]+ [KM]iB/SIZE/g; s/ +/ /g; s/-+/-/g'
	bounded checkpointctl inspect --files --format json "$archive" |
		jq 'map(del(.created, .checkpoint_size))'
	rm "$archive"
}

as_without() {
	local runtime=$1 name=inspected-$1
	without_gate
	start_container "$runtime" "$name" small tail-odd tail-hole
	said_of_export "$name" >"$LOGS.alone"
	with_ghostkeep
	said_of_export "$name" >"$LOGS.ours"
	cat "$LOGS.ours"
	expect_line "$LOGS.alone" '"path": "/data/[0-9]+.tail-odd"'
	expect_ok diff "$LOGS.alone" "$LOGS.ours"
}

# CRIU alone refuses this container.
names_large_ghosts() {
	local runtime=$1 name=large-$1
	with_ghostkeep
	start_container "$runtime" "$name" hole-1g-2m dense-4m
	said_of_export "$name" >"$LOGS.said"
	expect_line "$LOGS.said" '"path": "/data/[0-9]+.hole-1g-2m"'
	expect_line "$LOGS.said" '"path": "/data/[0-9]+.dense-4m"'
}

for runtime in podman-crun podman-runc; do
	check "$runtime" "checkpointctl show and inspect, as without ghostkeep" as_without "$runtime"
	check "$runtime" "checkpointctl names what only ghostkeep keeps" names_large_ghosts "$runtime"
done
