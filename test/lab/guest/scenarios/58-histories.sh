# shellcheck shell=bash
# weight: 90
# native: all
# Two checkpoints of one container: the later one is packed. CRIU refuses it with ghostkeep and without, and
# nothing is restored from it. Materialized, it is restored by a CRIU that has never heard of ghostkeep.

try_restore() {
	"$1" --log "$WORK/$2/restore.log" restore -d --bundle "$WORK/$2" --image-path "$3" --work-path "$3" \
		--pid-file "$WORK/$2/pid" "$2" </dev/null >/dev/null 2>&1
}

# After a restore that failed, crun still has a container of that name, which never ran.
clear_away() {
	timeout 30 "$1" delete -f "$2" >/dev/null 2>&1 || true
}

packed_and_back() {
	local runtime=$1 name=history-$1 first=$WORK/history-$1.first images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m shared tail-odd
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$first" --leave-running
	counter=$(counter_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	expect_ok ghostkeep pack -D "$images" --parent "$first"
	expect_flat "$images"
	expect_ok ghostkeep verify -D "$images" --chain
	expect_ok ghostkeep show -D "$images"

	clear_away "$runtime" "$name"
	expect_fail try_restore "$runtime" "$name" "$images"
	expect_line "$images/restore.log" "ghostkeep materialize -D"
	clear_away "$runtime" "$name"
	without_gate
	expect_fail try_restore "$runtime" "$name" "$images"
	expect_line "$images/restore.log" "No ghost-file-[0-9a-f]*.img image"
	clear_away "$runtime" "$name"

	with_ghostkeep
	expect_ok ghostkeep materialize -D "$images"
	without_gate
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
	rm -rf "$first"
}

# The manifest of a checkpoint is lost, and made again from the images: CRIU restores it with the gate and without.
repaired_and_back() {
	local runtime=$1 gate=$2 name=repaired-$1-$2 images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m small tail-odd
	images=$(images_of "$runtime" "$name")
	counter=$(counter_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	rm "$images/ghostkeep-manifest.json"
	expect_ok ghostkeep verify -D "$images" --repair
	expect_ok ghostkeep verify -D "$images"
	expect_flat "$images"
	[ "$gate" = gate ] || without_gate
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

check runc "a packed checkpoint, and back" packed_and_back runc
check runc "a manifest made again, restored with the gate" repaired_and_back runc gate
check runc "a manifest made again, restored without the gate" repaired_and_back runc none
check crun "a packed checkpoint, and back" packed_and_back crun
