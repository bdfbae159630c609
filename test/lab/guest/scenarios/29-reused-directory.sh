# shellcheck shell=bash
# weight: 60
# native: all
# A checkpoint goes into the directory of an earlier one with more ghosts. The later one is restored, and
# nothing of the earlier one's ghosts is left.

expect_images() {
	local images=$1 found
	shift
	found=$(cd "$images" && echo ghost-file-*.img)
	[ "$found" = "$*" ] || fail "there are $found in $images, not $*"
}

reused() {
	local runtime=$1 name=reused-$1 later=later-$1 images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m shared tail-odd
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images" --leave-running
	expect_images "$images" ghost-file-1.img ghost-file-2.img ghost-file-3.img
	timeout 30 "$runtime" delete -f "$name"

	start_container "$runtime" "$later" shared
	counter=$(counter_of "$runtime" "$later")
	expect_ok checkpoint_container "$runtime" "$later" "$images"
	expect_sealed "$images"
	expect_images "$images" ghost-file-1.img
	restore_container "$runtime" "$later" "$images"
	expect_continued "$runtime" "$later" "$counter"
	expect_alive "$runtime" "$later"
	check_verdict "$runtime" "$later"
}

check runc "4 a checkpoint into the directory of an earlier one" reused runc
check crun "4 a checkpoint into the directory of an earlier one" reused crun
