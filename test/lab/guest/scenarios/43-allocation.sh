# shellcheck shell=bash
# weight: 260
# native: all
# Space that was allocated and never written comes back where materialize asked for it, and only there.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

# HOST:CONTAINER, when /data is not the rootfs's own.
VOLUME=

ghost_of() {
	echo "/proc/$(pid_of "$1" "$2")/fd/100"
}

# fallocate would drop file capabilities: this is a version 2 set with CAP_NET_BIND_SERVICE.
start_grown() {
	start_python "$1" "$2" ready allocation.py "$VOLUME"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "security.capability",
		bytes.fromhex("0000000200040000000000000000000000000000"))' "$(ghost_of "$1" "$2")" ||
		fail "cannot give $2 a capability"
}

# look RUNTIME NAME WHEN: writes NAME.WHEN, and its last line, KiB, into NAME.WHEN.kib.
look() {
	python3 "$GUEST/look-at-allocation.py" "$(ghost_of "$1" "$2")" >"$WORK/$2.$3" || fail "cannot look at $2"
	cat "$WORK/$2.$3"
	tail -n 1 "$WORK/$2.$3" >"$WORK/$2.$3.kib"
	sed -i '$d' "$WORK/$2.$3"
}

# A block of extents more or less does not count as a difference.
expect_kib() {
	local kib
	kib=$(cat "$1")
	if [ "$kib" -lt $(($2 - 8)) ] || [ "$kib" -gt $(($2 + 8)) ]; then
		fail "$kib KiB are allocated, not $2"
	fi
}

# round_trip RUNTIME NAME KIB [OPTION OF MATERIALIZE]
round_trip() {
	local runtime=$1 name=$2 kib=$3 images
	shift 3
	with_ghostkeep
	start_grown "$runtime" "$name"
	look "$runtime" "$name" before
	expect_kib "$WORK/$name.before.kib" 81920
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	case $* in
	--preserve-allocation) run_block docs/restore.md 1 "s|/var/ckpt|$images|" || fail 'materialize failed' ;;
	*) expect_ok ghostkeep materialize -D "$images" "$@" ;;
	esac
	expect_sealed "$images"
	keep_log "$images/ghostkeep-manifest.json"
	restore_container "$runtime" "$name" "$images"
	look "$runtime" "$name" after
	cmp "$WORK/$name.before" "$WORK/$name.after" || fail "not the file it was"
	expect_kib "$WORK/$name.after.kib" "$kib"
}

comes_back() {
	round_trip "$1" "grown-$1" 81920 --preserve-allocation
	local log
	log=$(logs_of "$1" "grown-$1")/restore.log
	# Podman removes the log when a restore has succeeded.
	case $1 in podman-*) ;; *) [ -s "$log" ] || fail "there is no $log" ;; esac
	[ ! -f "$log" ] || ! grep -a 'ghostkeep:.*allocation' "$log" || fail "it warns"
}

comes_back_on() {
	local filesystem=$1
	make_filesystem "$filesystem"
	VOLUME=$FS/$filesystem/grown:/data
	mkdir "${VOLUME%:*}"
	at_exit rm -rf "${VOLUME%:*}"
	round_trip runc "grown-$filesystem" 81920 --preserve-allocation
}

stays_away() {
	round_trip "$1" "thin-$1" 8
}

# Podman's exported archive is unpacked for materialize and packed again.
exported() {
	local runtime=$1 name=sent-$1 archive=$WORK/sent-$1.tar unpacked=$WORK/sent-$1.unpacked
	with_ghostkeep
	start_grown "$runtime" "$name"
	look "$runtime" "$name" before
	expect_ok podman container checkpoint --compress none --export "$archive" "$name"
	expect_ok podman rm "$name"
	mkdir "$unpacked"
	tar -C "$unpacked" -xf "$archive"
	expect_ok ghostkeep materialize -D "$unpacked/checkpoint" --preserve-allocation
	tar -C "$unpacked" -cf "$archive" .
	expect_ok podman --runtime "/usr/bin/${runtime#podman-}" container restore --import "$archive"
	look "$runtime" "$name" after
	cmp "$WORK/$name.before" "$WORK/$name.after" || fail "not the file it was"
	expect_kib "$WORK/$name.after.kib" 81920
}

# The file system has no room for the allocation. The container runs, and a message says why it is missing.
no_room() {
	local name=tight-runc images small=$WORK/tight
	with_ghostkeep
	start_grown runc "$name"
	look runc "$name" before
	images=$(images_of runc "$name")
	expect_ok checkpoint_container runc "$name" "$images"
	expect_ok ghostkeep materialize -D "$images" --preserve-allocation
	truncate -s 64M "$WORK/tight.disk"
	mkfs.ext4 -q "$WORK/tight.disk"
	mkdir -p "$small"
	mount -o loop "$WORK/tight.disk" "$small"
	at_exit umount "$small"
	cp -a "$WORK/$name" "$small/bundle"
	restore_container runc "$name" "$images" "$small/bundle"
	look runc "$name" after
	cmp "$WORK/$name.before" "$WORK/$name.after" || fail "not the file it was"
	expect_kib "$WORK/$name.after.kib" 8
	expect_line "$images/restore.log" 'ghostkeep: could not set allocation \(ENOSPC: 80 MiB are needed, .* of /data/ghost again'
}

for runtime in runc crun podman-crun podman-runc; do
	check "$runtime" "80 MiB allocated, 8 KiB written" comes_back "$runtime"
done
for filesystem in xfs btrfs; do
	check runc "80 MiB allocated, 8 KiB written, on $filesystem" comes_back_on "$filesystem"
done
check podman-crun "exported: unpacked, materialized, packed again" exported podman-crun
check runc "without materialize --preserve-allocation only what is written" stays_away runc
check runc "no room for it: a warning, and the container runs" no_room
