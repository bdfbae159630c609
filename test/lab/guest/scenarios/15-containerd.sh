# shellcheck shell=bash
# weight: 0
# native: only
# containerd checkpoints by `ctr`: into its content store, and from there into a new container. CRIU writes
# into containerd's temporary folder. The commands of docs/containerd.md are run word for word, but for its digests.
# shellcheck source-path=SCRIPTDIR source=../containerd.sh
. "$GUEST/containerd.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

GHOSTS='dense-4m dense-300m hole-1g-8k deleted-exe'

refused_alone() {
	without_gate
	with_containerd
	ctr_run alone dense-4m dense-300m
	expect_fail ctr tasks checkpoint alone
	expect_line "$CONTAINERD_TASKS/alone/criu-dump.log" "Can't dump ghost file"
	expect_alive containerd alone
	check_verdict containerd alone
}

# Without --exit the container goes on, and what was kept is a checkpoint like any other.
tasks_checkpoint() {
	local kept index layer
	with_ghostkeep
	with_containerd
	# shellcheck disable=SC2086 # words
	ctr_run tasks $GHOSTS
	kept=$(timeout 120 ctr tasks checkpoint tasks) || fail "ctr tasks checkpoint failed with $?"
	expect_alive containerd tasks
	check_verdict containerd tasks
	index=$(timeout 10 ctr image ls | awk -v name="$kept" '$1 == name { print $3 }')
	run_block docs/containerd.md 2 "2,\$d; s/INDEX/$index/" || fail 'no layer is listed'
	layer=$(tail -n 1 "$LOGS.said")
	rm -rf "$WORK/ckpt"
	run_block docs/containerd.md 2 "1d; s/LAYER/$layer/" || fail 'the images are not whole'
	expect_sealed "$WORK/ckpt"
	timeout 10 ctr image rm "$kept"
}

containers_restore() {
	local counter name
	with_ghostkeep
	with_containerd
	# shellcheck disable=SC2086 # words
	ctr_run mydb $GHOSTS
	counter=$(counter_of containerd mydb)
	at_exit ctr_delete mydb2
	run_block docs/containerd.md 1 || fail 'the commands of the page failed'
	note_pid mydb2
	expect_continued containerd mydb2 "$counter"
	for name in mydb mydb2; do
		expect_alive containerd $name
		check_verdict containerd $name
	done
	timeout 10 ctr image rm localhost/mydb-checkpoint:1
}

# containerd 1.7.24 takes "already exists" of the content store for success. When an earlier checkpoint of the
# container is kept, its second one has no task in it, with ghostkeep or without, and `ctr` says nothing. Once
# the earlier one is gone, the next is whole.
second_checkpoint() {
	"$1"
	with_containerd
	ctr_run twice small tail-odd
	expect_ok ctr containers checkpoint --task twice localhost/twice:1
	expect_ok ctr containers checkpoint --task twice localhost/twice:2
	if ! has_checkpoint localhost/twice:2; then
		ctr version | grep "Version: *1\.7\." >"$WORK/version" || fail "this containerd forgets the second checkpoint, too"
		say "containerd 1.7 has kept no task in the second checkpoint"
		expect_ok ctr image rm --sync localhost/twice:1 localhost/twice:2
		expect_ok ctr containers checkpoint --task twice localhost/twice:2
	fi
	has_checkpoint localhost/twice:2 || fail "the checkpoint has no task in it"
	timeout 10 ctr image rm --sync localhost/twice:1 localhost/twice:2
	expect_alive containerd twice
}

# The temporary folder is often a tmpfs. With too little room in it the checkpoint fails, its reason is kept,
# and the container goes on.
too_small() {
	with_ghostkeep
	mkdir -p "$CONTAINERD_TEMP"
	mount -t tmpfs -o size=64M small "$CONTAINERD_TEMP"
	at_exit umount "$CONTAINERD_TEMP"
	with_containerd
	ctr_run small dense-4m dense-300m
	expect_fail ctr containers checkpoint --task small localhost/small:1
	expect_line "$CONTAINERD_TASKS/small/criu-dump.log" '[Gg]hostkeep.*([Nn]o space|NO_SPACE)'
	! ctr_has_image localhost/small:1 || fail "there is an image of the checkpoint that failed"
	[ -z "$(ls -A "$CONTAINERD_TEMP")" ] || fail "something was left: $(ls -A "$CONTAINERD_TEMP")"
	expect_alive containerd small
	check_verdict containerd small
}

# A restore unpacks into that folder as well. When it cannot, the checkpoint is still there.
restore_too_small() {
	with_ghostkeep
	with_containerd
	ctr_run full dense-4m dense-300m
	expect_ok ctr containers checkpoint --rw --task --image full localhost/full:1
	timeout 30 ctr task rm -f full || fail "cannot end the container"
	mount -t tmpfs -o size=64M small "$CONTAINERD_TEMP"
	at_exit ctr_delete nowhere
	expect_fail ctr containers restore --rw --live nowhere localhost/full:1
	umount "$CONTAINERD_TEMP"
	ctr_restore again localhost/full:1
	check_verdict containerd again
	ls -A "$CONTAINERD_TEMP"
	timeout 10 ctr image rm localhost/full:1
}

# The content store gets its copy when the checkpoint has been made, and so, with --exit, when the container is
# gone. Where the store has no room, containerd says so and keeps nothing, with ghostkeep or without.
store_full() {
	local ingest=$WORK/containerd/io.containerd.content.v1.content/ingest
	"$1"
	with_containerd
	ctr_run stored small tail-odd
	mount -t tmpfs -o size=64k small "$ingest"
	at_exit umount "$ingest"
	expect_fail ctr tasks checkpoint stored 2>"$LOGS.runs-on"
	expect_line "$LOGS.runs-on" 'no space left on device'
	expect_alive containerd stored
	expect_fail ctr tasks checkpoint --exit stored 2>"$LOGS.exit"
	expect_line "$LOGS.exit" 'no space left on device'
	wait_for 10 "end of the container" task_stopped stored
	[ -z "$(ls -A "$CONTAINERD_TEMP")" ] || fail "something was left: $(ls -A "$CONTAINERD_TEMP")"
}

task_stopped() {
	timeout 10 ctr task ls | awk -v name="$1" '$1 == name { print $3 }' | grep -x STOPPED
}

check containerd "CRIU alone refuses 300 MiB" refused_alone
check containerd "ctr tasks checkpoint leaves it running" tasks_checkpoint
check containerd "ctr containers checkpoint, restore" containers_restore
check containerd "a second checkpoint, CRIU alone" second_checkpoint without_gate
check containerd "a second checkpoint" second_checkpoint with_ghostkeep
check containerd "temporary folder too small" too_small
check containerd "restore, temporary folder too small" restore_too_small
for gate in without_gate with_ghostkeep; do
	check containerd "content store full, $gate" store_full "$gate"
done
