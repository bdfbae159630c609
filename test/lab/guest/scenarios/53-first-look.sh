# shellcheck shell=bash
# weight: 60
# native: all
# A container without a ghost is checkpointed and restored without the helper. When a ghost comes after the gate
# has looked, the helper starts late and keeps it.

# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

alone() {
	local runtime=$1 name=look-$1 images counter
	with_ghostkeep
	start_python "$runtime" "$name" ready 'named.py 200'
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images" --leave-running
	expect_line "$images/dump.log" 'ghostkeep: the helper does not start: no process holds a file without a name'
	expect_line "$images/dump.log" 'ghostkeep: there was nothing to seal'
	[ -z "$(find "$images" -name 'ghost*')" ] || fail "$images has files of ours"
	# The directory is not locked any more, and is not empty.
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	counter=$(cat "$WORK/$name/rootfs/data/alive")
	restore_container "$runtime" "$name" "$images"
	! grep -aq 'ghostkeep: .*helper' "$images/restore.log" || fail 'the restore has a helper'
	wait_for 10 "heartbeat of $name" counter_moved "$(data_of "$runtime" "$name")" "$counter"
}

# strace(1) holds CRIU up after it has begun the first look, and the ghost comes meanwhile.
late() {
	local runtime=$1 name=late-$1 images data trace=$WORK/late-$1.trace checkpoint
	with_ghostkeep
	start_python "$runtime" "$name" ready 'named.py 20'
	images=$(images_of "$runtime" "$name")
	data=$(data_of "$runtime" "$name")
	at_exit rm -f "$trace"
	mkdir -p "$images"
	strace -f -o "$trace" -e trace=clone3 -e inject=clone3:delay_exit=3000000:when=1 \
		"$runtime" checkpoint --image-path "$images" --work-path "$images" "$name" &
	checkpoint=$!
	wait_for 20 'first look' grep -q 'CLONE_PIDFD.*exit_signal=0' "$trace"
	: >"$data/remove"
	wait_for 10 'ghost' has_ghost "$runtime" "$name"
	wait "$checkpoint" || fail "the checkpoint failed: $(grep -a Error "$images/dump.log" | head -n 1)"
	expect_line "$images/dump.log" 'ghostkeep: the helper starts late, while the processes are frozen: .*/data/ghost'
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	[ "$(ghost_of "$runtime" "$name" | sha256sum)" = "$(python3 -c 'print("ghost" * 1000, end="")' | sha256sum)" ] ||
		fail 'the ghost came back with other content'
}

has_ghost() {
	[ -n "$(find "/proc/$(pid_of "$1" "$2")/fd" -lname '/data/ghost (deleted)')" ]
}

ghost_of() {
	cat "$(find "/proc/$(pid_of "$1" "$2")/fd" -lname '*data/ghost* (deleted)')"
}

check runc 'without a ghost' alone runc
check crun 'without a ghost' alone crun
check runc 'a ghost that comes after the first look' late runc
check crun 'a ghost that comes after the first look' late crun
