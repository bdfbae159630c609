# shellcheck shell=bash
# weight: 70
# native: all
# There is no gate in CRIU's plugin directory, and `ghostkeep checkpoint` does its part. docs/install.md shows it, and is
# run word for word, but for the image directory.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

around_the_runtime() {
	local runtime=$1 name=nogate-$1 images counter
	shift
	with_ghostkeep
	[ "${1:-}" = gate ] || without_gate
	[ "${1:-}" != gate ] || shift
	start_container "$runtime" "$name" hole-64m-4m hole-1g-2m shared
	images=$(images_of "$runtime" "$name")
	mkdir -p "$images"
	counter=$(counter_of "$runtime" "$name")
	expect_ok ghostkeep checkpoint -- "$runtime" checkpoint \
		--image-path "$images" --work-path "$images" "$@" "$name"
	expect_sealed "$images"
	if [ $# -gt 0 ]; then
		expect_alive "$runtime" "$name"
		check_verdict "$runtime" "$name"
		timeout 30 "$runtime" delete -f "$name"
	fi
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

as_the_page_says() {
	local images=$WORK/mydb.images counter
	with_ghostkeep
	without_gate
	start_container runc mydb hole-64m-4m
	counter=$(counter_of runc mydb)
	run_block docs/install.md 1 "s|/var/ckpt|$images|" || fail 'the checkpoint failed'
	expect_sealed "$images"
	restore_container runc mydb "$images"
	expect_continued runc mydb "$counter"
	check_verdict runc mydb
}

check runc "docs/install.md: ghostkeep checkpoint" as_the_page_says
check runc "10 ghostkeep checkpoint" around_the_runtime runc
check crun "10 ghostkeep checkpoint" around_the_runtime crun
check runc "10 ghostkeep checkpoint, --leave-running" around_the_runtime runc --leave-running
check crun "10 ghostkeep checkpoint, --leave-running" around_the_runtime crun --leave-running
# With a gate, the gate would want the directory that `ghostkeep checkpoint` keeps for itself.
check runc "10 ghostkeep checkpoint, with the gate as well" around_the_runtime runc gate
check crun "10 ghostkeep checkpoint, with the gate as well" around_the_runtime crun gate
