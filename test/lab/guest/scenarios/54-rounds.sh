# shellcheck shell=bash
# weight: 0
# native: only
# Rounds (`ghostkeep pre-dump`) before a checkpoint. Where a container is paused before CRIU is called, by containerd
# or by hand, there is no warm pass, and only a round can copy before the freeze. Each of these is run without one,
# too.
# shellcheck source-path=SCRIPTDIR source=../containerd.sh
. "$GUEST/containerd.sh"
# shellcheck source-path=SCRIPTDIR source=../rounds.sh
. "$GUEST/rounds.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

GHOSTS='dense-64m dense-4m small deleted-exe'

# by_containerd ROUND…: ROUND is a command with which a round is made, or nothing.
by_containerd() {
	local counter images=$WORK/before.images
	with_ghostkeep
	with_containerd
	# shellcheck disable=SC2086 # words
	ctr_run before $GHOSTS
	[ $# = 0 ] || "$@"
	counter=$(counter_of containerd before)
	expect_ok ctr containers checkpoint --rw --task --image before localhost/rounds:1
	at_exit timeout 10 ctr image rm localhost/rounds:1
	expect_alive containerd before
	rm -rf "$images"
	unpack_checkpoint localhost/rounds:1 "$images"
	expect_sealed "$images"
	if [ $# = 0 ]; then expect_no_base_used "$images"; else expect_base_used "$images" 67108864; fi
	timeout 30 ctr task rm -f before || fail "cannot end the container"
	ctr_restore after localhost/rounds:1
	expect_continued containerd after "$counter"
	expect_alive containerd after
	check_verdict containerd after
	expect_nothing_left
}

# Without -D, a round's copies lie in the temporary folder of containerd's own service, in which CRIU writes, too.
round_without_place() {
	round before --container before
	[[ $(jq -r .images "$WORK/before.round") = "$CONTAINERD_TEMP"/ghostkeep-bases-* ]] || fail "it is the wrong place"
	say "another round"
	round before --container before --until-stable
	jq -e '.rounds[0].differed == 0' "$WORK/before.round" >"$LOGS.differed" || fail "what has not changed was copied again"
}

# The bases go with their container. Whoever makes the next round removes them.
expect_nothing_left() {
	! ghostkeep pre-dump --pid $$ >"$LOGS.left" 2>&1 || fail "a shell has an engine"
	expect_line "$LOGS.left" NO_IMAGE_PLACE
	! ls -d "$CONTAINERD_TEMP"/ghostkeep* 2>"$LOGS.left" || fail "a folder of bases was left"
}

# paused_by_hand RUNTIME [OPTION…]: OPTION are those of the round, which is made if there are some.
paused_by_hand() {
	local runtime=$1 name=paused-$1 images counter
	shift
	images=$(images_of "$runtime" "$name")
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$runtime" "$name" $GHOSTS
	[ $# = 0 ] || round "$name" --container "$name" "$@"
	counter=$(counter_of "$runtime" "$name")
	expect_ok "$runtime" pause "$name"
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	if [ $# = 0 ]; then expect_no_base_used "$images"; else expect_base_used "$images" 67108864; fi
	say "frozen for $(frozen_ms "$images") ms"
	restore_container "$runtime" "$name" "$images"
	[ "$runtime" = runc ] || thaw "$name"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

# CRIU gives crun's container the cgroup v1 freezer back as it was, with ghostkeep and without. `crun resume` sees
# only cgroup v2 here.
thaw() {
	local state=/run/lab/cgroups/freezer/$1/freezer.state
	[ ! -e "$state" ] || echo THAWED >"$state"
}

# Podman has a folder of the container's own for the images. Version 5 does not pause the container first, so the
# warm pass takes the bases over. What it exports has nothing of them.
by_podman() {
	local runtime=$1 name=rounds-$1 images counter
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$runtime" "$name" $GHOSTS
	round "$name" --container "$(cat "$WORK/$name.id")"
	[ "$(jq -r .images "$WORK/$name.round")" = "$(userdata_of "$name")" ] || fail "it is the wrong place"
	counter=$(counter_of "$runtime" "$name")
	images=$(images_of "$runtime" "$name")
	expect_ok podman container checkpoint --keep --export "$WORK/$name.tar" --compress none "$name"
	expect_sealed "$images"
	expect_base_used "$images" 67108864
	expect_line "$images/ghostkeep.log" '2 by a pre-dump already'
	! tar -tf "$WORK/$name.tar" | grep -E 'ghostkeep/|base-' || fail "the archive has bases in it"
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

# The page's commands, of which the container is `mydb`.
page_with_ctr() {
	with_ghostkeep
	with_containerd
	# shellcheck disable=SC2086 # words
	ctr_run mydb $GHOSTS
	run_block docs/short-freeze.md 1
	at_exit timeout 10 ctr image rm localhost/mydb-checkpoint:1
	rm -rf "$WORK/mydb.images"
	unpack_checkpoint localhost/mydb-checkpoint:1 "$WORK/mydb.images"
	expect_sealed "$WORK/mydb.images"
	expect_base_used "$WORK/mydb.images" 67108864
	expect_alive containerd mydb
}

page_with_podman() {
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$1" mydb $GHOSTS
	at_exit rm -rf "$WORK/mydb.tar" "$WORK/checkpoint"
	run_block docs/short-freeze.md 2
	tar -C "$WORK" -xf "$WORK/mydb.tar" checkpoint
	expect_sealed "$WORK/checkpoint"
	expect_base_used "$WORK/checkpoint" 67108864
	expect_alive "$1" mydb
	check_verdict "$1" mydb
}

page_with() {
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$1" mydb $GHOSTS
	rm -rf "$WORK/ckpt"
	run_block docs/short-freeze.md 3 "s/runc/$1/"
	expect_sealed "$WORK/ckpt"
	expect_base_used "$WORK/ckpt" 67108864
	expect_alive "$1" mydb
	check_verdict "$1" mydb
}

# runc and crun are told where to put images, so a round has to be told, too.
needs_a_place() {
	with_ghostkeep
	start_container "$1" "where-$1" small
	expect_fail ghostkeep pre-dump --container "where-$1" 2>"$LOGS.said"
	expect_line "$LOGS.said" 'runc and crun.*NO_IMAGE_PLACE'
}

# around_the_runtime RUNTIME [gate]: `ghostkeep checkpoint` copies when CRIU has ended the container. It uses the
# bases all the same, and leaves them to the gate where that is installed as well.
around_the_runtime() {
	local runtime=$1 name=around-$1 images counter
	images=$(images_of "$runtime" "$name")
	with_ghostkeep
	[ $# -gt 1 ] || without_gate
	# shellcheck disable=SC2086 # words
	start_container "$runtime" "$name" $GHOSTS
	rm -rf "$images"
	round "$name" --container "$name" -D "$WORK/$name.bases"
	counter=$(counter_of "$runtime" "$name")
	expect_ok ghostkeep checkpoint -- "$runtime" checkpoint --image-path "$images" --work-path "$WORK" "$name"
	expect_sealed "$images"
	expect_bytes_kept "$images" 67108864
	! ls "$WORK/$name.bases/ghostkeep"/* 2>"$LOGS.left" || fail "a base was left"
	restore_container "$runtime" "$name" "$images"
	[ "$runtime" = runc ] || thaw "$name"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

check containerd "ctr, no round before" by_containerd
check containerd "ctr, a round before" by_containerd round_without_place
for runtime in runc crun; do
	check "$runtime" "paused by hand, no round before" paused_by_hand "$runtime"
	check "$runtime" "paused by hand, a round before into the images' folder" \
		paused_by_hand "$runtime" -D "$WORK/paused-$runtime.images"
	check "$runtime" "paused by hand, a round before into another folder" \
		paused_by_hand "$runtime" -D "$WORK/paused-$runtime.bases"
	check "$runtime" "a round without -D is refused" needs_a_place "$runtime"
	check "$runtime" "ghostkeep checkpoint, a round before" around_the_runtime "$runtime"
	check "$runtime" "ghostkeep checkpoint with the gate as well, a round before" around_the_runtime "$runtime" gate
done
for runtime in podman-runc podman-crun; do
	check "$runtime" "a round before" by_podman "$runtime"
	check "$runtime" "docs/short-freeze.md" page_with_podman "$runtime"
done
check containerd "docs/short-freeze.md" page_with_ctr
for runtime in runc crun; do
	check "$runtime" "docs/short-freeze.md" page_with "$runtime"
done
