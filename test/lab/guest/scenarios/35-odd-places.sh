# shellcheck shell=bash
# weight: 240
# native: all
# Ghosts are in places where a look by path would not find them. Through a real CRIU they come back byte for
# byte, or CRIU refuses and the container runs on.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

# start_odd RUNTIME NAME PLACE…: starts a container that may mount and chroot.
start_odd() {
	local runtime=$1 name=$2
	shift 2
	make_python_bundle "$WORK/$name" "" /usr/bin/python3 /odd.py "$@"
	jq '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"])' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" is_ready "$name"
}

is_ready() {
	[ ! -e "$WORK/$1/rootfs/data/error" ] || fail "$1: $(cat "$WORK/$1/rootfs/data/error")"
	[ -e "$WORK/$1/rootfs/data/ready" ]
}

# Each process looks at what it holds, and every line must be `same`.
expect_same() {
	local runtime=$1 name=$2 data suffix places=0
	shift 2
	data=$(data_of "$runtime" "$name")
	for suffix in "$data"/seen*; do
		suffix=${suffix#"$data/seen"}
		rm "$data/seen$suffix"
		: >"$data/look$suffix"
		wait_for 60 "look of $name$suffix" test -e "$data/seen$suffix"
		cat "$data/seen$suffix"
		! grep -a '^other' "$data/seen$suffix" >"$LOGS.other" || fail "$name: $(cat "$LOGS.other")"
		places=$((places + $(wc -l <"$data/seen$suffix")))
	done
	rm -f "$LOGS.other"
	[ "$places" = $# ] || fail "$name: $places ghosts were looked at, not $#"
}

comes_back() {
	local runtime=$1 name=odd-$2-$1 images
	shift 2
	with_ghostkeep
	start_odd "$runtime" "$name" "$@"
	expect_same "$runtime" "$name" "$@"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/ghostkeep.log" "$images/ghostkeep-manifest.json"
	expect_sealed "$images"
	: >"$WORK/$name/rootfs/data/later"
	restore_container "$runtime" "$name" "$images"
	expect_same "$runtime" "$name" "$@"
}

# refused RUNTIME NAME REASON PLACE…: the checkpoint is refused, and nothing of the container is harmed.
refused() {
	local runtime=$1 name=odd-$2-$1 reason=$3 images
	shift 3
	with_ghostkeep
	start_odd "$runtime" "$name" "$@"
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_line "$images/dump.log" "$reason"
	expect_same "$runtime" "$name" "$@"
}

# source_replaced RUNTIME: the host replaces the mounted file, as editors do.
source_replaced() {
	local runtime=$1 name=odd-source-$1 source=$WORK/odd-source-$1.d images
	with_ghostkeep
	mkdir "$source"
	: >"$source/f"
	make_python_bundle "$WORK/$name" "$source/f:/mounted" /usr/bin/python3 /hold.py /mounted 5000
	: >"$WORK/$name/rootfs/mounted"
	start_bundle "$runtime" "$name"
	wait_for 60 "content in $name" data_has "$runtime" "$name" ready
	: >"$source/new"
	mv "$source/new" "$source/f"
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_line "$images/dump.log" 'GHOST_UNRESTORABLE'
	: >"$WORK/$name/rootfs/data/look"
	wait_for 60 "look of $name" test -e "$WORK/$name/rootfs/data/seen"
	grep '^same' "$WORK/$name/rootfs/data/seen" || fail "$name: other bytes"
}

overmounted='Open files on overmounted mounts are not supported yet'
names=(name_255 name_238 name_237 long_path not_utf8 deleted newline
	taken taken_later taken_twice taken_by_folder taken_by_link)
namespaces=(namespace_same namespace_tmpfs namespace_before namespace_taken namespace_mapped namespace_inherited)
folders=(folder_gone folder_is_file folder_is_link folder_hidden folder_hidden_tmpfs)

check runc "names that are long, odd, or taken by others" comes_back runc names "${names[@]}"
check runc "folders that are gone, hidden, or no folders any more" comes_back runc folders "${folders[@]}"
check runc "read-only by now" comes_back runc read-only read_only read_only_bind
check runc "on top of another mount, in a chroot" comes_back runc jail on_top jail jail_tmpfs
check runc "a mount namespace of its own, or of another process" comes_back runc namespaces "${namespaces[@]}"
check runc "a mount namespace of nobody, or of a thread: CRIU refuses" refused runc nobody "Can't lookup mount" \
	namespace_of_nobody namespace_of_thread
check runc "covered: CRIU refuses, the container runs on" refused runc covered "$overmounted" covered
check runc "covered from above: CRIU refuses" refused runc above "$overmounted" covered_above
check runc "a mounted file that the host replaced: refused, the container runs on" source_replaced runc
check crun "all that come back" comes_back crun all "${names[@]}" "${folders[@]}" read_only on_top jail
check crun "covered: CRIU refuses, the container runs on" refused crun covered "$overmounted" covered
