# shellcheck shell=bash
# weight: 30
# native: all
# A container has its own user namespace, and the owners in the image are those inside.

HOST_BASE=100000

# The workload is 1000:1000 inside, and its ghost belongs to it.
make_mapped_bundle() {
	local bundle=$WORK/$1
	shift
	make_bundle "$bundle" run /data "$@"
	jq --argjson base "$HOST_BASE" '
		.process.user = {uid: 1000, gid: 1000}
		| .linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: $base, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings' \
		"$bundle/config.json" >"$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
	chown -R "$HOST_BASE:$HOST_BASE" "$bundle/rootfs"
	chown "$((HOST_BASE + 1000)):$((HOST_BASE + 1000))" "$bundle/rootfs/data"
	chmod 711 "$WORK"
}

survives_mapped() {
	local runtime=$1 name=$2 images
	shift 2
	make_mapped_bundle "$name" "$@"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	ls -ln "$images"
	expect_ok python3 "$GUEST/ghost-owners.py" "$images" 1000 1000
	restore_container "$runtime" "$name" "$images"
	check_verdict "$runtime" "$name"
}

criu_alone() {
	without_gate
	survives_mapped "$1" "mapped-alone-$1" small
}

with_us() {
	with_ghostkeep
	survives_mapped "$1" "mapped-$1" hole-1g-2m alternate-8m small
	expect_sealed "$WORK/mapped-$1.images"
}

check runc "13 CRIU alone, user namespace" criu_alone runc
check runc "13 uids inside, user namespace" with_us runc
