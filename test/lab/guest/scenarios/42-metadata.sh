# shellcheck shell=bash
# weight: 205
# native: all
# Metadata that CRIU's image cannot hold is back before the container runs.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

# Checkpoints and restores, and prints what the program saw first.
restored() {
	local runtime=$1 name=$2 images
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	keep_log "$images/ghostkeep-manifest.json"
	restore_container "$runtime" "$name" "$images"
	wait_for 60 "look of $name after restore" data_has "$runtime" "$name" after
	wait_for 60 "child's look of $name after restore" data_has "$runtime" "$name" after.child
	(cd "$(data_of "$runtime" "$name")" && head -v before* after*)
}

is_equal() {
	local data
	data=$(data_of "$1" "$2")
	cmp "$data/before" "$data/after" && cmp "$data/before.child" "$data/after.child"
}

comes_back() {
	local runtime=$1 name=meta-$1
	with_ghostkeep
	start_python "$runtime" "$name" before "metadata.py /data/ghost /tmp/ghost /data/of-child"
	restored "$runtime" "$name"
	is_equal "$runtime" "$name" || fail "not the metadata it had: $(cat "$(data_of "$runtime" "$name")/after")"
}

# Checks what the README says about a host without us: microseconds, no xattrs.
stock_restore() {
	local runtime=$1 name=meta-stock-$1 data images
	with_ghostkeep
	start_python "$runtime" "$name" before "metadata.py /data/ghost /data/of-child"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	without_gate
	restore_container "$runtime" "$name" "$images"
	wait_for 60 "look of $name after restore" data_has "$runtime" "$name" after
	data=$(data_of "$runtime" "$name")
	cat "$data/after"
	expect_ok python3 "$GUEST/only-what-criu-keeps.py" "$data/before" "$data/after"
}

mapped() {
	local runtime=$1 name=meta-mapped-$1
	with_ghostkeep
	make_python_bundle "$WORK/$name" "" /usr/bin/python3 /metadata.py /data/ghost /data/of-child
	jq '.process.user = {uid: 1000, gid: 1000}
		| .linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	chown -R 100000:100000 "$WORK/$name/rootfs"
	chown 101000:101000 "$WORK/$name/rootfs/data"
	chmod 711 "$WORK"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghost in $name" data_has "$runtime" "$name" before
	restored "$runtime" "$name"
	is_equal "$runtime" "$name" || fail "not the metadata it had: $(cat "$(data_of "$runtime" "$name")/after")"
}

for runtime in runc crun podman-crun podman-runc; do
	check "$runtime" "xattrs, ACL, nanoseconds, inode flags" comes_back "$runtime"
done
check runc "xattrs, ACL, nanoseconds, inode flags, user namespace" mapped runc
check runc "restored by CRIU alone: microseconds, no xattrs, no flags" stock_restore runc
