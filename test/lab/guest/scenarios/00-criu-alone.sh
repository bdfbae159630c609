# shellcheck shell=bash
# weight: 50
# native: all
# Tests the machine itself: CRIU without ghostkeep keeps small ghosts. A failure here is not ghostkeep's
# fault.

small_ghosts_survive() {
	local runtime=$1 name=small-$1 images counter
	without_gate
	start_container "$runtime" "$name" small tail-odd tail-hole hole-1g-8k
	images=$(images_of "$runtime" "$name")
	counter=$(counter_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	check_verdict "$runtime" "$name"
}

for runtime in $RUNTIMES; do
	check "$runtime" "small ghosts survive" small_ghosts_survive "$runtime"
done
