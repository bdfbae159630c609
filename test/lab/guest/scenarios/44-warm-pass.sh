# shellcheck shell=bash
# weight: 225
# native: all
# A ghost is written to without a pause, before, during and after the warm pass. The restored ghost is what it
# was when the container was frozen.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

# HOST:CONTAINER, when /data is not the rootfs's own, and where the images go then.
VOLUME=
IMAGES=

# written_to RUNTIME NAME [COMMAND…]: starts the writer, runs COMMAND, checkpoints, restores, and lets the
# program compare.
written_to() {
	local runtime=$1 name=$2 images log verdict
	shift 2
	with_ghostkeep
	start_python "$runtime" "$name" ready writer.py "$VOLUME"
	[ $# = 0 ] || expect_ok "$@"
	images=${IMAGES:-$(images_of "$runtime" "$name")}
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	for log in dump ghostkeep; do
		expect_line "$images/$log.log" '1 ghost, .* of data: .* copied before the freeze, .* while frozen.*; sealed in'
	done
	cp "$images/ghostkeep-manifest.json" "$WORK/$name.json"
	restore_container "$runtime" "$name" "$images"
	touch "$(data_of "$runtime" "$name")/stop"
	wait_for 60 "verdict of $name" data_has "$runtime" "$name" verdict
	verdict=$(cat "$(data_of "$runtime" "$name")/verdict")
	say "$verdict"
	[ "${verdict#equal}" != "$verdict" ] || fail "$verdict"
}

kept_of() {
	jq '.ghosts[0].data.kept // "none"' "$WORK/$1.json"
}

while_writing() {
	written_to "$1" "writer-$1"
	[ "$(kept_of "writer-$1")" != '"none"' ] || fail "there was no warm pass"
}

while_writing_on() {
	local filesystem=$1
	make_filesystem "$filesystem"
	VOLUME=$FS/$filesystem/writer:/data
	IMAGES=$FS/$filesystem/images	# where xfs and btrfs share blocks
	mkdir "${VOLUME%:*}"
	at_exit rm -rf "${VOLUME%:*}" "$IMAGES"
	written_to runc "writer-$filesystem"
	# Where blocks are shared, nothing is copied before the freeze.
	[ "$filesystem" != tmpfs ] || [ "$(kept_of "writer-$filesystem")" != '"none"' ] || fail "there was no warm pass"
}

without() {
	without_warm_pass
	written_to runc cold
	[ "$(kept_of cold)" = '"none"' ] || fail "there was a warm pass"
}

# The container is frozen already, so a copy before CRIU's freeze would be made twice.
paused() {
	written_to runc paused runc pause paused
	[ "$(kept_of paused)" = '"none"' ] || fail "there was a warm pass"
}

# The round copies while it is written to, and what has changed since is found while it is frozen.
paused_after_a_round() {
	written_to runc early round_and_pause early
	[ "$(kept_of early)" != '"none"' ] || fail "the base was not used"
}

round_and_pause() {
	expect_ok ghostkeep pre-dump --container "$1" -D "$WORK/$1.bases" --until-stable
	expect_ok runc pause "$1"
}

for runtime in runc crun; do
	check "$runtime" "written to all the time" while_writing "$runtime"
done
for filesystem in xfs btrfs tmpfs; do
	check runc "written to all the time, on $filesystem" while_writing_on "$filesystem"
done
check runc "written to all the time, then paused" paused
check runc "written to all the time, a round, then paused" paused_after_a_round
check runc "written to all the time, the policy is warm: false" without
